export type { BusLogger } from './bus-logger.js';
export { connectConsumer } from './connect-consumer.js';
export { EmbeddedBus, type EmbeddedBusOptions } from './embedded/embedded-bus.js';
export type { MessageWriter } from './embedded/message-log.js';
export type { PatternExtras } from './event-server.js';
export { BusRefusal, type RefusedPart } from './kafka/bus-refusal.js';
export { KafkaBus } from './kafka/kafka-bus.js';
export { KafkaDeadLetters, type StoredDeadLetter } from './kafka/kafka-dead-letters.js';
export { type KafkaBusOptions, type KafkaSettings, SASL_MECHANISMS } from './kafka/kafka-options.js';
export type {
  BusServer,
  ConsumerOptions,
  ConsumerStatus,
  MessageBus,
  MessageContext,
  MessagePublisher,
} from './message-bus.js';
export { DEFAULT_RETRY_POLICY, type RetryPolicy } from './retry-policy.js';
