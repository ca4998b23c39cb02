import { closeSync, existsSync, fsyncSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { unavailable } from '#kernel';
import { IdentifierTable } from './identifier-table.js';

/** How long another process may hold the file; the event loop stands still meanwhile. */
const BUSY_TIMEOUT_MS = 1000;
const SQLITE_IOERR = 10;

/**
 * Rows of `subject_keys` are appended in ascending order, never removed and never change their size. So SQLite
 * writes an erased key's zeros over the key itself and has no reason to move a row, which could leave a copy.
 * That is why the time of destruction has a table of its own.
 */
const SET_UP = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA secure_delete = ON;
  CREATE TABLE IF NOT EXISTS subject_keys (id INTEGER PRIMARY KEY, wrapped BLOB NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS destroyed_keys (id INTEGER PRIMARY KEY, destroyed_at TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS secrets (name TEXT PRIMARY KEY, wrapped BLOB NOT NULL) STRICT;
`;

const prepareAll = (database: DatabaseSync) => ({
  lastKey: database.prepare('SELECT coalesce(max(id), 0) AS id FROM subject_keys'),
  insertKey: database.prepare('INSERT INTO subject_keys (id, wrapped) VALUES (?, ?)'),
  selectKey: database.prepare(
    `SELECT wrapped, destroyed_at AS destroyedAt
     FROM subject_keys LEFT JOIN destroyed_keys USING (id) WHERE id = ?`,
  ),
  zeroKey: database.prepare('UPDATE subject_keys SET wrapped = zeroblob(length(wrapped)) WHERE id = ?'),
  // An upsert that changes nothing, because DO NOTHING would return no row for a key that is destroyed already.
  buryKey: database.prepare(
    `INSERT INTO destroyed_keys (id, destroyed_at) VALUES (?, ?)
     ON CONFLICT DO UPDATE SET destroyed_at = destroyed_at RETURNING destroyed_at AS destroyedAt`,
  ),
  insertSecret: database.prepare('INSERT INTO secrets (name, wrapped) VALUES (?, ?) ON CONFLICT DO NOTHING'),
  selectSecret: database.prepare('SELECT wrapped FROM secrets WHERE name = ?'),
  deleteSecret: database.prepare('DELETE FROM secrets WHERE name = ?'),
  truncateLog: database.prepare('PRAGMA wal_checkpoint(TRUNCATE)'),
});

function syncFile(file: string): void {
  const descriptor = openSync(file, 'r+');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** From SQLite, which sets `errcode` (the primary code is its low byte), or from a system call. */
const isStorageError = (error: unknown): error is NodeJS.ErrnoException & { errcode?: number } =>
  error instanceof Error && ('errcode' in error || 'syscall' in error);

/** `destroyedAt` is RFC 3339 UTC; once it is set, `wrapped` is nothing but zeros. */
export interface KeyRow {
  wrapped: Uint8Array;
  destroyedAt: string | null;
}

/**
 * The SQLite file of a key store. It holds wrapped bytes only and never sees a key in clear. Each change is one
 * durable transaction; SQLite's own errors come out as TenantryError `unavailable`.
 */
export class KeyFile {
  readonly identifiers: IdentifierTable;
  readonly #file: string;
  readonly #database: DatabaseSync;
  readonly #sql: ReturnType<typeof prepareAll>;
  #stopped: unknown;

  constructor(file: string) {
    this.#file = file;
    if (!existsSync(file)) closeSync(openSync(file, 'a', 0o600));
    this.#database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS });
    this.#database.exec(SET_UP);
    this.#sql = prepareAll(this.#database);
    this.identifiers = new IdentifierTable(this.#database);
  }

  /** Appends `count` keys under the ids that follow the last one. */
  append(count: number, wrappedKey: (id: number) => Uint8Array): void {
    this.write(() => {
      const first = Number(this.#sql.lastKey.get()?.id) + 1;
      for (let id = first; id < first + count; id++) this.#sql.insertKey.run(id, wrappedKey(id));
    });
  }

  read(id: number): KeyRow | undefined {
    return this.attempt(() => this.#sql.selectKey.get(id) as KeyRow | undefined);
  }

  /**
   * Overwrites the keys with zeros, then folds the write-ahead log, which still holds the pages as they were
   * before, into the file and cuts it to nothing. The cut is synced too, or a power failure could bring the
   * log's old length back. Answers when each was first destroyed. The log is cut even if all were destroyed
   * already: the process may have ended between their commit and the cut.
   */
  destroy(ids: readonly number[], at: string): string[] {
    const destroyedAt = this.write(() =>
      ids.map((id) => {
        this.#sql.zeroKey.run(id);
        return String(this.#sql.buryKey.get(id, at)?.destroyedAt);
      }),
    );
    this.#cutLog();
    return destroyedAt;
  }

  /** The secret of that name; the first caller's `wrapped` makes it. */
  secret(name: string, wrapped: () => Uint8Array): Uint8Array {
    const select = () => this.#sql.selectSecret.get(name)?.wrapped as Uint8Array | undefined;
    return (
      this.attempt(select) ??
      this.write(() => {
        this.#sql.insertSecret.run(name, wrapped());
        return select() as Uint8Array;
      })
    );
  }

  /** Leaves no byte of it, whether it was there or not. */
  destroySecret(name: string): void {
    this.write(() => this.#sql.deleteSecret.run(name));
    this.#cutLog();
  }

  /** Throws when the file can't be used. */
  check(): void {
    this.attempt(() => this.#sql.lastKey.get());
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  /** In one durable transaction. */
  write<Result>(work: () => Result): Result {
    return this.attempt(() => {
      this.#database.exec('BEGIN IMMEDIATE');
      try {
        const result = work();
        this.#database.exec('COMMIT');
        return result;
      } finally {
        if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      }
    });
  }

  /**
   * After a failed write or sync the kernel may have dropped pages that it then reports as clean, so a second
   * try could succeed without being durable: an I/O error stops the file for good (fail-stop).
   */
  attempt<Result>(work: () => Result): Result {
    if (this.#stopped) {
      throw unavailable('the key store stopped after an I/O error', { cause: this.#stopped });
    }
    try {
      return work();
    } catch (cause) {
      if (!isStorageError(cause)) throw cause;
      if (cause.code === 'EIO' || (cause.errcode ?? 0) % 256 === SQLITE_IOERR) this.#stopped = cause;
      throw unavailable('the key store failed', { cause });
    }
  }

  /** Folds the write-ahead log into the file, and cuts it to nothing on the disk too. */
  #cutLog(): void {
    if (this.attempt(() => this.#sql.truncateLog.get())?.busy !== 0) {
      throw unavailable('the key store is in use by another process: its log could not be cut');
    }
    this.attempt(() => syncFile(`${this.#file}-wal`));
  }
}
