import { describeOnReadDatabases, describeSnapshotStore } from '#testing';
import { DurableSnapshots } from './durable-snapshots.js';

await describeOnReadDatabases('DurableSnapshots', ({ dialect, open }) => {
  describeSnapshotStore(dialect, async () => {
    const database = await open();
    const store = await DurableSnapshots.open(database);
    return { store, dispose: () => database.close() };
  });
});
