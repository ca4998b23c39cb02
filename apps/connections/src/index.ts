export { ConnectionsModule, connectionsConsumer } from './connections.module.js';
