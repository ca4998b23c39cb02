import { CopiesModule, copiesConsumer, runService } from '#platform';
import { KeysModule, keysConsumer } from './keys.module.js';

await runService({
  name: 'keys',
  modules: [CopiesModule, KeysModule],
  consumers: [keysConsumer, copiesConsumer('keys')],
  follows: true,
});
