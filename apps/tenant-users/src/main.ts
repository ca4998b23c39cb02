import { runService, SETTINGS } from '#platform';
import { Bootstrap } from './policies/bootstrap.js';
import { welcome } from './policies/welcome.js';
import { ServiceModule } from './service.module.js';
import { tenantUsersConsumer } from './tenant-users.module.js';

await runService({
  name: 'tenant-users',
  modules: [ServiceModule],
  consumers: [tenantUsersConsumer],
  async prepare(app) {
    const firstStart = await app.get(Bootstrap).run();
    return firstStart && ((url) => welcome(url, app.get(SETTINGS), firstStart));
  },
});
