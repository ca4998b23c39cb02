export type { BusLogger } from './bus-logger.js';
export { connectConsumer } from './connect-consumer.js';
export { EmbeddedBus, type EmbeddedBusOptions } from './embedded/embedded-bus.js';
export type {
  BusServer,
  ConsumerOptions,
  ConsumerStatus,
  MessageBus,
  MessageContext,
  MessagePublisher,
} from './message-bus.js';
export { DEFAULT_RETRY_POLICY, type RetryPolicy } from './retry-policy.js';
