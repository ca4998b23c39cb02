export {
  type Aggregate,
  Aggregates,
  type AppendedEvent,
  type EventCodec,
  type ExecuteOptions,
} from './aggregates.js';
export {
  type AppendResult,
  type Batch,
  type EventStore,
  type ExpectedRevision,
  LOG_NUMBERS,
  RevisionConflict,
  type SubscribeOptions,
  type Subscription,
} from './event-store.js';
export { clientConnectionString } from './eventstoredb/connection-string.js';
export { EventStoreDb } from './eventstoredb/event-store-db.js';
export { AccessDenied } from './eventstoredb/failures.js';
export { ExclusiveLock } from './sqlite/exclusive-lock.js';
export { type LogWriter, SqliteEventStore } from './sqlite/sqlite-event-store.js';
