import { DatabaseSync } from 'node:sqlite';
import { type Compilable, type CompiledQuery, Kysely, sql } from 'kysely';
import { executing } from '../executing.js';
import type { ReadDatabase } from '../read-database.js';
import { SqliteConnection, SqliteDialect, translated } from './sqlite-dialect.js';

/** How long a connection waits for another process; it blocks the event loop, so it is short. */
const BUSY_TIMEOUT_MS = 100;

/** Pages of hot indexes stay in memory: SQLite's own 2 MiB make it read them again and again. */
const CACHE_KIB = 64 * 1024;

/** 32 MiB of WAL: a checkpoint writes each page once and waits for the disk, so it is to come rarely. */
const CHECKPOINT_PAGES = 8_192;

/**
 * Read models in one SQLite file in WAL mode: one connection writes, another one reads.
 * `synchronous=NORMAL` may lose the last commits with the machine's power, but never their order, and the log
 * gives them again; a `durable` one holds what the log can't give, and loses nothing that was committed.
 */
export class SqliteReadDatabase implements ReadDatabase {
  readonly dialect = 'sqlite';
  readonly #connections: { writer: SqliteConnection; reader: SqliteConnection };
  readonly #writer: Kysely<unknown>;
  readonly #reader: Kysely<unknown>;
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(writer: DatabaseSync, reader: DatabaseSync) {
    const connections = { writer: new SqliteConnection(writer), reader: new SqliteConnection(reader) };
    this.#connections = connections;
    this.#writer = new Kysely({ dialect: new SqliteDialect(() => connections.writer) });
    this.#reader = new Kysely({ dialect: new SqliteDialect(() => connections.reader) });
  }

  /** Opens or makes the file; its folder must exist. Throws `unavailable` where another process holds it. */
  static open(file: string, { durable = false } = {}): SqliteReadDatabase {
    return translated(() => {
      const writer = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS });
      writer.exec(`pragma journal_mode=wal; pragma synchronous=${durable ? 'full' : 'normal'}`);
      // What is deleted may be a person's, even if it is only a hash.
      writer.exec('pragma secure_delete=on');
      writer.exec(`pragma cache_size=-${CACHE_KIB}; pragma wal_autocheckpoint=${CHECKPOINT_PAGES}`);
      const reader = new DatabaseSync(file, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
      reader.exec(`pragma cache_size=-${CACHE_KIB}`);
      return new SqliteReadDatabase(writer, reader);
    });
  }

  /** Of this process alone, and gone when it is closed. */
  static inMemory(): SqliteReadDatabase {
    const connection = new DatabaseSync(':memory:');
    return new SqliteReadDatabase(connection, connection);
  }

  reader<Schema>(): Kysely<Schema> {
    return this.#reader as Kysely<Schema>;
  }

  write<Schema, Result>(work: (transaction: Kysely<Schema>) => Promise<Result>): Promise<Result> {
    return this.#enqueue(() =>
      this.#writer.transaction().execute((it: Kysely<unknown>) => work(it as Kysely<Schema>)),
    );
  }

  run(queries: readonly Compilable[]): Promise<void> {
    return this.write(executing(queries));
  }

  /** A file is one part. */
  of(): this {
    return this;
  }

  async select<Row>(query: CompiledQuery): Promise<Row[]> {
    return (await this.#connections.reader.executeQuery<Row>(query)).rows;
  }

  async ready(): Promise<void> {
    await sql`select 1`.execute(this.#reader);
  }

  async close(): Promise<void> {
    await this.#queue;
    this.#connections.reader.close();
    this.#connections.writer.close();
  }

  #enqueue<Result>(task: () => Promise<Result>): Promise<Result> {
    const result = this.#queue.then(task);
    // The caller has the rejection; the next in the queue goes on regardless.
    this.#queue = result.catch(() => undefined);
    return result;
  }
}
