export { type Aggregate, Aggregates, type EventCodec, type ExecuteOptions } from './aggregates.js';
export {
  type AppendResult,
  type Batch,
  type EventStore,
  type ExpectedRevision,
  RevisionConflict,
  type SubscribeOptions,
  type Subscription,
} from './event-store.js';
export { SqliteEventStore } from './sqlite/sqlite-event-store.js';
