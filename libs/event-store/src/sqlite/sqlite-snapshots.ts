import type { DatabaseSync } from 'node:sqlite';
import type { Snapshot, SnapshotStore } from '../aggregates/snapshots.js';
import { SnapshotReader } from './snapshot-table.js';

/** Snapshots in a SQLite file that another thread writes: read here, on a connection that sees what is committed. */
export class SqliteSnapshots implements SnapshotStore {
  readonly #reader: SnapshotReader;

  /** `write` resolves once the snapshot is committed. */
  constructor(
    database: DatabaseSync,
    private readonly write: (snapshot: Snapshot) => Promise<void>,
  ) {
    this.#reader = new SnapshotReader(database);
  }

  async find(stream: string, version: number): Promise<Snapshot | undefined> {
    return this.#reader.find(stream, version);
  }

  put(snapshot: Snapshot): Promise<void> {
    return this.write(snapshot);
  }
}
