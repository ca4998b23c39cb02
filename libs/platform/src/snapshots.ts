import type { Provider } from '@nestjs/common';
import { type SnapshotParts, type SnapshotStore, SqliteSnapshots } from '#event-store';
import { Sealer, SnapshotSealer, SqliteKeyStore, type SubjectKeyStore } from '#privacy';
import type { ReadDatabase } from '#projections';
import { type Storage, snapshotWriter } from '#storage';
import { DurableSnapshots } from './operations/durable-snapshots.js';
import { AppLogger } from './operations/logger.js';
import { DURABLE_DATABASE, KEY_STORE, SNAPSHOT_STORE, SNAPSHOTS, STORAGE } from './tokens.js';

/** Snapshots of long streams: beside the keys where those are embedded, so that each goes with the key of its person. */
export const snapshotProviders: Provider[] = [
  {
    provide: SNAPSHOT_STORE,
    useFactory: (keys: SubjectKeyStore, durable: ReadDatabase, storage?: Storage) =>
      storage && keys instanceof SqliteKeyStore
        ? new SqliteSnapshots(keys.reader.database, snapshotWriter(storage))
        : DurableSnapshots.open(durable),
    inject: [KEY_STORE, DURABLE_DATABASE, STORAGE],
  },
  {
    provide: SNAPSHOTS,
    useFactory: (
      store: SnapshotStore,
      keys: SubjectKeyStore,
      sealer: Sealer,
      logger: AppLogger,
    ): SnapshotParts => ({
      store,
      codec: new SnapshotSealer(sealer, keys),
      onFailure: (err, stream) => logger.warn({ stream, err }, 'a snapshot could not be made or used'),
    }),
    inject: [SNAPSHOT_STORE, KEY_STORE, Sealer, AppLogger],
  },
];
