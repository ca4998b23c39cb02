import { closeSync, existsSync, fsyncSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { IdentifierTable } from './identifier-table.js';

/** How long another process may hold the file. */
const BUSY_TIMEOUT_MS = 1000;

/**
 * Rows of `subject_keys` are appended in ascending order, never removed and never change their size. So SQLite
 * writes an erased key's zeros over the key itself and has no reason to move a row, which could leave a copy.
 * That is why the time of destruction has a table of its own.
 */
const SET_UP = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA secure_delete = ON;
  PRAGMA wal_autocheckpoint = 0;
  CREATE TABLE IF NOT EXISTS subject_keys (id INTEGER PRIMARY KEY, wrapped BLOB NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS destroyed_keys (id INTEGER PRIMARY KEY, destroyed_at TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS secrets (name TEXT PRIMARY KEY, wrapped BLOB NOT NULL) STRICT;
`;

const prepareAll = (database: DatabaseSync) => ({
  insertKey: database.prepare('INSERT INTO subject_keys (id, wrapped) VALUES (?, ?)'),
  zeroKey: database.prepare('UPDATE subject_keys SET wrapped = zeroblob(length(wrapped)) WHERE id = ?'),
  // An upsert that changes nothing, because DO NOTHING would return no row for a key that is destroyed already.
  buryKey: database.prepare(
    `INSERT INTO destroyed_keys (id, destroyed_at) VALUES (?, ?)
     ON CONFLICT DO UPDATE SET destroyed_at = destroyed_at RETURNING destroyed_at AS destroyedAt`,
  ),
  insertSecret: database.prepare('INSERT INTO secrets (name, wrapped) VALUES (?, ?) ON CONFLICT DO NOTHING'),
  deleteSecret: database.prepare('DELETE FROM secrets WHERE name = ?'),
  checkpoint: database.prepare('PRAGMA wal_checkpoint(PASSIVE)'),
  truncateLog: database.prepare('PRAGMA wal_checkpoint(TRUNCATE)'),
});

/**
 * The one writer of a key store's SQLite file. It holds wrapped bytes only and never sees a key in clear. Errors of the
 * database leave open what was stored: its thread must end.
 */
export class KeyFile {
  /** For the tables of others that are kept as safe as the keys. */
  readonly database: DatabaseSync;
  readonly identifiers: IdentifierTable;
  readonly #file: string;
  readonly #sql: ReturnType<typeof prepareAll>;

  constructor(file: string) {
    this.#file = file;
    if (!existsSync(file)) closeSync(openSync(file, 'a', 0o600));
    this.database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS });
    this.database.exec(SET_UP);
    this.#sql = prepareAll(this.database);
    this.identifiers = new IdentifierTable(this.database);
  }

  /** One durable transaction. */
  transaction(work: () => void): void {
    this.database.exec('BEGIN IMMEDIATE');
    work();
    this.database.exec('COMMIT');
  }

  insert(id: number, wrapped: Uint8Array): void {
    this.#sql.insertKey.run(id, wrapped);
  }

  /** Overwrites a key with zeros; `truncate` then ends its copies in the journal. Answers when it was first destroyed. */
  destroy(id: number, at: string): string {
    this.#sql.zeroKey.run(id);
    return String(this.#sql.buryKey.get(id, at)?.destroyedAt);
  }

  /** The first one of a name stays. */
  insertSecret(name: string, wrapped: Uint8Array): void {
    this.#sql.insertSecret.run(name, wrapped);
  }

  deleteSecret(name: string): void {
    this.#sql.deleteSecret.run(name);
  }

  /**
   * Folds the write-ahead log, which still holds pages as they were before, into the file and cuts it to nothing.
   * The cut is synced too, or a power failure could bring the log's old length back. False while somebody reads.
   */
  truncate(): boolean {
    if (this.#sql.truncateLog.get()?.busy !== 0) return false;
    const descriptor = openSync(`${this.#file}-wal`, 'r+');
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    return true;
  }

  /** Moves what was committed from the write-ahead log into the file; waits for nobody. */
  checkpoint(): void {
    this.#sql.checkpoint.get();
  }

  close(): void {
    this.truncate();
    this.database.close();
  }
}
