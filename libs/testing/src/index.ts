export { BackEndMissing } from './back-ends/child.js';
export { type BackEnd, findKafka, findPostgres } from './back-ends/find.js';
export { type KafkaCluster, type KafkaClusterOptions, startKafka } from './back-ends/kafka-cluster.js';
export type { KafkaSecurity } from './back-ends/kafka-properties.js';
export { onKafka, onOwnKafka, onOwnPostgres, onPostgres } from './back-ends/on-back-end.js';
export { type PostgresCluster, startPostgres } from './back-ends/postgres-cluster.js';
export { openEmbeddedBus, openEmbeddedKeys, openEmbeddedLog, openEmbeddedReads } from './embedded-engines.js';
export type { EventStoreDeviations, EventStoreFactory, EventStoreHarness } from './event-store-bench.js';
export { describeEventStore } from './event-store-contract.js';
export { type EventStoreServer, findEventStoreServer } from './event-store-server.js';
export { type AppendFault, EventStoreStandIn } from './event-store-stand-in/event-store-stand-in.js';
export { filesUnder } from './files-under.js';
export { given } from './given.js';
export { describeIdentifierRegistry } from './identifier-registry-contract.js';
export { InMemoryEventStore } from './in-memory-event-store.js';
export { InMemorySnapshotStore } from './in-memory-snapshot-store.js';
export { InterruptibleReadDatabase, type Interruption } from './interruptible-read-database.js';
export { kafkaTestOptions } from './kafka-test-options.js';
export { type LongHistory, ON_SQLITE_LOG, writeLongHistory } from './long-history.js';
export { startConsumers, TEST_TYPE, testMessage, until } from './message-bus-app.js';
export type { MessageBusFactory, MessageBusHarness } from './message-bus-bench.js';
export { Record } from './message-bus-bench.js';
export { describeMessageBus } from './message-bus-contract.js';
export {
  describeReadDatabase,
  type ReadDatabaseHarness,
  type ReadDatabaseLimits,
} from './read-database-contract.js';
export {
  describeOnReadDatabases,
  type ReadDatabaseEngine,
  schemaUrl,
  tablesAndIndexes,
} from './read-database-engines.js';
export { type LogEntry, RecordingLogger } from './recording-logger.js';
export {
  type Count,
  CountingEventStore,
  plainCodec,
  SampleSnapshots,
  type Tally,
  tally,
  testContext,
} from './sample-aggregate.js';
export {
  appendSample,
  foldSample,
  readSample,
  SampleProjection,
  type SampleSchema,
  type SampleTables,
  sampleEvent,
} from './sample-projection.js';
export {
  type Answer,
  eventStoreSettings,
  freshDataDir,
  type RequestOptions,
  type Service,
  type ServiceExit,
  ServiceNotStarted,
  type ServiceOptions,
  startService,
} from './service-process.js';
export { SeverableNetwork } from './severable-network.js';
export { checkSnapshots, expectForm } from './snapshot-format.js';
export { describeSnapshotStore, type SnapshotStoreHarness } from './snapshot-store-contract.js';
export { describeSubjectKeyStore, type SubjectKeyStoreHarness } from './subject-key-store-contract.js';
export { lastRevision, readAll } from './whole-stream.js';
