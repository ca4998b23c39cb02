import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { unavailable } from '#kernel';

const BUSY_TIMEOUT_MS = 1000;

/** `destroyedAt` is RFC 3339 UTC; once it is set, `wrapped` is nothing but zeros. */
export interface KeyRow {
  wrapped: Uint8Array;
  destroyedAt: string | null;
}

/** Reads a key store's file beside the thread that writes it; it sees what is committed. */
export class KeyReader {
  readonly database: DatabaseSync;
  readonly #key: StatementSync;
  readonly #secret: StatementSync;
  readonly #together: boolean;

  /** `together`: what is read without a pause is one transaction, for the locks of each take longer than to read a key. */
  constructor(file: string, { together = false } = {}) {
    this.#together = together;
    this.database = new DatabaseSync(file, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
    this.#key = this.database.prepare(
      `SELECT wrapped, destroyed_at AS destroyedAt
       FROM subject_keys LEFT JOIN destroyed_keys USING (id) WHERE id = ?`,
    );
    this.#secret = this.database.prepare('SELECT wrapped FROM secrets WHERE name = ?');
  }

  /** The highest id there is; 0 where there is none. */
  lastId(): number {
    const last = this.database.prepare('SELECT coalesce(max(id), 0) AS id FROM subject_keys');
    return Number(this.#attempt(() => last.get())?.id);
  }

  key(id: number): KeyRow | undefined {
    return this.#attempt(() => this.#key.get(id)) as KeyRow | undefined;
  }

  secret(name: string): Uint8Array | undefined {
    return this.#attempt(() => this.#secret.get(name))?.wrapped as Uint8Array | undefined;
  }

  close(): void {
    if (this.database.isOpen) this.database.close();
  }

  #attempt<Result>(read: () => Result): Result {
    try {
      if (this.#together && !this.database.isTransaction) {
        this.database.exec('BEGIN');
        queueMicrotask(() => this.database.isOpen && this.database.exec('COMMIT'));
      }
      return read();
    } catch (cause) {
      throw unavailable('the key store cannot be read', { cause });
    }
  }
}
