import { InMemorySnapshotStore } from './in-memory-snapshot-store.js';
import { describeSnapshotStore } from './snapshot-store-contract.js';

describeSnapshotStore('in memory', async () => ({
  store: new InMemorySnapshotStore(),
  dispose: async () => undefined,
}));
