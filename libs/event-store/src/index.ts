export type { Aggregate, AppendedEvent, EventCodec } from './aggregates/aggregate.js';
export type { Snapshot, SnapshotCodec, SnapshotParts, SnapshotStore } from './aggregates/snapshots.js';
export {
  Aggregates,
  type AggregatesOptions,
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
  type ReadOptions,
  RevisionConflict,
  type SubscribeOptions,
  type Subscription,
} from './event-store.js';
export { clientConnectionString } from './eventstoredb/connection-string.js';
export { EventStoreDb } from './eventstoredb/event-store-db.js';
export { AccessDenied } from './eventstoredb/failures.js';
export { MAX_PAGE_BYTES, MAX_PAGE_EVENTS, pageRange, pages, type StreamRange } from './pages.js';
export { ExclusiveLock } from './sqlite/exclusive-lock.js';
export { type LogWriter, SqliteEventStore } from './sqlite/sqlite-event-store.js';
export { SqliteSnapshots } from './sqlite/sqlite-snapshots.js';
