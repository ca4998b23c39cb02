import type { DatabaseSync, StatementSync } from 'node:sqlite';
import {
  type Claim,
  type KeyCollision,
  type KeyHolding,
  MAX_COLLISIONS,
  type TakenKey,
} from './identifier-rows.js';

/**
 * All rows have one size: holders are UUIDs, and so large an integer takes 6 bytes whatever is added to it. SQLite then
 * fills the place of a deleted row, which it has zeroed, with another whole one. With rows of several sizes it moves
 * them within their pages, and now and then leaves a copy that `secure_delete` knows nothing of.
 */
const SIX_BYTES = 2 ** 40;

/** Keys begin with their kind; the index on holders yields them too. */
const SET_UP = `
  CREATE TABLE IF NOT EXISTS identifiers (
    key BLOB PRIMARY KEY CHECK (length(key) = 16),
    holder TEXT NOT NULL CHECK (length(holder) = 36),
    revision INTEGER NOT NULL CHECK (revision >= ${SIX_BYTES})
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS identifiers_by_holder ON identifiers (holder);
  CREATE TABLE IF NOT EXISTS identifiers_complete (id INTEGER PRIMARY KEY CHECK (id = 1)) STRICT;
  CREATE TABLE IF NOT EXISTS identifier_collisions (
    younger TEXT NOT NULL, kind INTEGER NOT NULL, older TEXT NOT NULL, PRIMARY KEY (younger, kind)
  ) STRICT;
`;

const prepareAll = (database: DatabaseSync) => ({
  claim: database.prepare(
    `INSERT INTO identifiers (key, holder, revision) VALUES (?, ?, ? + ${SIX_BYTES})
     ON CONFLICT DO UPDATE SET revision = max(revision, excluded.revision)`,
  ),
  release: database.prepare(
    `DELETE FROM identifiers WHERE key = ? AND holder = ? AND revision <= ? + ${SIX_BYTES}`,
  ),
  releaseOthers: database.prepare(
    `DELETE FROM identifiers
     WHERE holder = ? AND key >= ? AND key < ? AND key IS NOT ? AND revision <= ? + ${SIX_BYTES}`,
  ),
  releaseHolder: database.prepare('DELETE FROM identifiers WHERE holder = ?'),
  collide: database.prepare('INSERT INTO identifier_collisions (younger, kind, older) VALUES (?, ?, ?)'),
  resolve: database.prepare(
    'DELETE FROM identifier_collisions WHERE younger = ? AND kind = coalesce(?, kind)',
  ),
  complete: database.prepare('INSERT INTO identifiers_complete VALUES (1) ON CONFLICT DO NOTHING'),
});

/** Reads the rows of IdentifierRows, on any connection. */
export class IdentifierReader {
  readonly #find: StatementSync;
  readonly #isComplete: StatementSync;
  readonly #collisions: StatementSync;

  constructor(database: DatabaseSync) {
    this.#find = database.prepare(
      `SELECT holder, revision - ${SIX_BYTES} AS revision FROM identifiers WHERE key = ?`,
    );
    this.#isComplete = database.prepare('SELECT 1 FROM identifiers_complete');
    this.#collisions = database.prepare(
      `SELECT kind, older, younger FROM identifier_collisions ORDER BY younger LIMIT ${MAX_COLLISIONS}`,
    );
  }

  find(key: Uint8Array): Claim | undefined {
    return this.#find.get(key) as Claim | undefined;
  }

  isComplete(): boolean {
    return this.#isComplete.get() !== undefined;
  }

  collisions(): KeyCollision[] {
    return this.#collisions.all() as unknown as KeyCollision[];
  }
}

/**
 * The rows of IdentifierRows in a SQLite database, in the transaction of the caller. What is deleted leaves the file
 * where `secure_delete` is on, and the write-ahead log when that is cut.
 */
export class IdentifierTable {
  readonly #sql: ReturnType<typeof prepareAll>;
  readonly #reader: IdentifierReader;

  constructor(database: DatabaseSync) {
    database.exec(SET_UP);
    this.#sql = prepareAll(database);
    this.#reader = new IdentifierReader(database);
  }

  claim(keys: readonly Uint8Array[], { holder, revision }: Claim): TakenKey | undefined {
    for (const [index, key] of keys.entries()) {
      const found = this.#reader.find(key);
      if (found && found.holder !== holder) return { ...found, index };
    }
    for (const key of keys) this.#sql.claim.run(key, holder, revision);
    return undefined;
  }

  release(keys: readonly Uint8Array[], { holder, revision }: Claim): void {
    for (const key of keys) this.#sql.release.run(key, holder, revision);
  }

  follow(holdings: readonly KeyHolding[], { fill }: { fill: boolean }): void {
    for (const holding of holdings) {
      const { holder } = holding;
      if ('gone' in holding) {
        this.#sql.releaseHolder.run(holder);
        this.#sql.resolve.run(holder, null);
        continue;
      }
      const { kind, key, revision } = holding;
      this.#sql.releaseOthers.run(holder, Buffer.of(kind), Buffer.of(kind + 1), key, revision);
      this.#sql.resolve.run(holder, kind);
      const older = fill && key ? this.claim([key], { holder, revision }) : undefined;
      if (older) this.#sql.collide.run(holder, kind, older.holder);
    }
  }

  complete(): void {
    this.#sql.complete.run();
  }
}
