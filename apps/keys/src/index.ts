export { KeysModule, keysConsumer } from './keys.module.js';
