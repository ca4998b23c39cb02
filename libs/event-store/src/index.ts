export {
  type Aggregate,
  Aggregates,
  type AppendedEvent,
  type EventCodec,
  type ExecuteOptions,
} from './aggregates.js';
export {
  ClaimingEventStore,
  type ClaimRegistry,
  type Holders,
} from './claiming-event-store.js';
export {
  type AppendOptions,
  type AppendResult,
  type Batch,
  type EventStore,
  type ExpectedRevision,
  IdentifierTaken,
  KeyTaken,
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
