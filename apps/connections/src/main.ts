import { CopiesModule, copiesConsumer, runService } from '#platform';
import { ConnectionsModule, connectionsConsumer } from './connections.module.js';

await runService({
  name: 'connections',
  modules: [CopiesModule, ConnectionsModule],
  consumers: [connectionsConsumer, copiesConsumer('connections')],
  follows: true,
});
