import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Snapshot } from '../aggregates/snapshots.js';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS snapshots (
    stream   TEXT PRIMARY KEY,
    version  INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    key_id   TEXT NOT NULL,
    sealed   TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS snapshots_by_key ON snapshots (key_id);`;
const COLUMNS = 'stream, version, revision, key_id AS keyId, sealed';

/**
 * Writes snapshots to a SQLite file that someone else opens and commits: each call is part of the transaction that is
 * open there, so that those of a key go with the key.
 */
export class SnapshotTable {
  readonly #replace: StatementSync;
  readonly #remove: StatementSync;

  constructor(database: DatabaseSync) {
    database.exec(SCHEMA);
    this.#replace = database.prepare('INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?, ?)');
    this.#remove = database.prepare('DELETE FROM snapshots WHERE key_id = ?');
  }

  put({ stream, version, revision, keyId, sealed }: Snapshot): void {
    this.#replace.run(stream, version, revision, keyId, sealed);
  }

  /** What was sealed under these keys. */
  deleteOfKeys(keyIds: readonly string[]): void {
    for (const keyId of keyIds) this.#remove.run(keyId);
  }
}

/** Reads what a SnapshotTable has written, on any connection. */
export class SnapshotReader {
  readonly #select: StatementSync;

  constructor(database: DatabaseSync) {
    this.#select = database.prepare(`SELECT ${COLUMNS} FROM snapshots WHERE stream = ? AND version = ?`);
  }

  find(stream: string, version: number): Snapshot | undefined {
    const row = this.#select.get(stream, version);
    return row && ({ ...row } as unknown as Snapshot);
  }
}
