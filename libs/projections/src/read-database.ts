import type { Compilable, CompiledQuery, Kysely } from 'kysely';

/** The file of a part, where another one can take its place. */
export interface LiveFile {
  path: string;
  /** Puts the file that was built beside it in its place, whole and closed by everyone; its old one is removed. */
  replace(): Promise<void>;
}

/**
 * The SQL database of the read models. Everything in it can be rebuilt from the log.
 *
 * `reader` sees what is committed, without waiting for writers. `write` runs one transaction at a time, in the
 * order of the calls: all of it is stored or, when `work` rejects, none; after it resolves, `reader` sees it.
 * DDL is part of the transaction. `work` must use only the transaction that it is given. `run` is a `write` of queries
 * that are built with `reader` beforehand, none of which needs what another one reads: wherever the writer runs, they
 * can be sent there.
 *
 * Values: text, integers up to 2^53 - 1 (they come back as numbers), floats, bytes and null. Booleans are bound
 * as 0 and 1 and kept in integer columns; a bigint is bound as an integer; a Date or `undefined` is refused.
 * All reject with TenantryError `unavailable` when the database can't be reached or is busy, full or closed.
 */
export interface ReadDatabase {
  readonly dialect: 'sqlite' | 'postgres';
  /** Of a part in SQLite that this thread writes. */
  readonly file?: LiveFile | undefined;
  reader<Schema>(): Kysely<Schema>;
  write<Schema, Result>(work: (transaction: Kysely<Schema>) => Promise<Result>): Promise<Result>;
  /** In this order. What they answer is left out. */
  run(queries: readonly Compilable[]): Promise<void>;
  /**
   * The part that something keeps for itself, by its name: a file of its own in SQLite, in PostgreSQL a queue of writes of
   * its own. Tables of one part are not seen from another in SQLite. Only the whole is closed.
   */
  of(name: string): ReadDatabase;
  /** Runs a query that was compiled for `reader`, by the shortest way. */
  select<Row>(query: CompiledQuery): Promise<Row[]>;
  /** Rejects with the reason if it can't be read just now. */
  ready(): Promise<void>;
  close(): Promise<void>;
}
