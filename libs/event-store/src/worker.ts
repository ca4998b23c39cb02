// What a thread that writes the log needs: nothing here loads Nest.
export type { Snapshot } from './aggregates/snapshots.js';
export type { ClaimedKeys, EventStore } from './event-store.js';
export { pageRange, pages } from './pages.js';
export { ExclusiveLock } from './sqlite/exclusive-lock.js';
export { LogFeed, storedEvents } from './sqlite/log-feed.js';
export {
  type AppendOutcome,
  type AppendRequest,
  LogFile,
  type Positions,
  type TakenOutcome,
} from './sqlite/log-file.js';
export { LogReader } from './sqlite/log-reader.js';
export { SnapshotTable } from './sqlite/snapshot-table.js';
