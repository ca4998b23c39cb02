import { close, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { type Compilable, type CompiledQuery, Kysely, sql } from 'kysely';
import { executing } from '../executing.js';
import type { AnySchema } from '../projection.js';
import type { LiveFile, ReadDatabase } from '../read-database.js';
import { countDifferences } from '../table-comparison.js';
import { putInPlace, removeFile } from './part-files.js';
import { SqliteConnection, SqliteDialect, translated } from './sqlite-dialect.js';

/** How long a connection waits for another process; it blocks the event loop, so it is short. */
const BUSY_TIMEOUT_MS = 100;

/** Pages of hot indexes stay in memory: SQLite's own 2 MiB make it read them again and again. */
const CACHE_KIB = 64 * 1024;

/** 32 MiB of WAL: a checkpoint writes each page once and waits for the disk, so it is to come rarely. */
const CHECKPOINT_PAGES = 8_192;

interface Connections {
  writer: SqliteConnection;
  reader: SqliteConnection;
}

function connect(file: string, { durable = false } = {}): Connections {
  return translated(() => {
    const writer = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS });
    writer.exec(`pragma journal_mode=wal; pragma synchronous=${durable ? 'full' : 'normal'}`);
    // What is deleted may be a person's, even if it is only a hash.
    writer.exec('pragma secure_delete=on');
    writer.exec(`pragma cache_size=-${CACHE_KIB}; pragma wal_autocheckpoint=${CHECKPOINT_PAGES}`);
    const reader = new DatabaseSync(file, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
    reader.exec(`pragma cache_size=-${CACHE_KIB}`);
    return { writer: new SqliteConnection(writer), reader: new SqliteConnection(reader) };
  });
}

/** A file with a name of its own that nobody uses would be taken for the live one by the next start. */
function connectOrRemove(file: string): Connections {
  try {
    return connect(file);
  } catch (error) {
    removeFile(file);
    throw error;
  }
}

/**
 * Read models in one SQLite file in WAL mode: one connection writes, another one reads.
 * `synchronous=NORMAL` may lose the last commits with the machine's power, but never their order, and the log
 * gives them again; a `durable` one holds what the log can't give, and loses nothing that was committed.
 */
export class SqliteReadDatabase implements ReadDatabase {
  readonly dialect = 'sqlite';
  readonly file: LiveFile | undefined;
  readonly #writer: Kysely<unknown>;
  readonly #reader: Kysely<unknown>;
  #connections: Connections;
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(connections: Connections, path?: string) {
    this.#connections = connections;
    this.file = path === undefined ? undefined : { path, replace: () => this.#replace() };
    this.#writer = new Kysely({ dialect: new SqliteDialect(() => this.#connections.writer) });
    this.#reader = new Kysely({ dialect: new SqliteDialect(() => this.#connections.reader) });
  }

  /** Opens or makes the file; its folder must exist. Throws `unavailable` where another process holds it. */
  static open(file: string, options: { durable?: boolean } = {}): SqliteReadDatabase {
    return new SqliteReadDatabase(connect(file, options), file);
  }

  /** Of this process alone, and gone when it is closed. */
  static inMemory(): SqliteReadDatabase {
    const connection = new SqliteConnection(new DatabaseSync(':memory:'));
    return new SqliteReadDatabase({ writer: connection, reader: connection });
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

  /** Writes the journal to the file, and waits for the disk. */
  checkpoint(): Promise<void> {
    return this.#enqueue(async () => this.#connections.writer.exec('pragma wal_checkpoint(passive)'));
  }

  /** Writes the journal to the file and cuts it, so that nothing deleted is left in it; false while somebody reads. */
  truncate(): Promise<boolean> {
    return this.#enqueue(async () => {
      const { writer } = this.#connections;
      writer.exec('pragma busy_timeout=0');
      const { rows } = writer.run<{ busy: number }>({
        sql: 'pragma wal_checkpoint(truncate)',
        parameters: [],
      });
      writer.exec(`pragma busy_timeout=${BUSY_TIMEOUT_MS}`);
      return rows[0]?.busy === 0;
    });
  }

  /** Counts the rows that stand otherwise in these tables of the other file, which nobody may write meanwhile. */
  compareWith(file: string, tables: readonly string[]): Promise<number> {
    return this.#enqueue(async () => {
      const { writer } = this.#connections;
      writer.exec(`attach '${file.replaceAll("'", "''")}' as live`);
      try {
        return await this.#writer.transaction().execute((transaction) =>
          countDifferences(transaction as Kysely<AnySchema>, {
            tables,
            live: (table) => `live.${table}`,
            built: (table) => `main.${table}`,
            dialect: this.dialect,
          }),
        );
      } finally {
        writer.exec('detach live');
      }
    });
  }

  async ready(): Promise<void> {
    await sql`select 1`.execute(this.#reader);
  }

  async close(): Promise<void> {
    await this.#queue;
    this.#disconnect();
  }

  #replace(): Promise<void> {
    return this.#enqueue(async () => {
      const { file } = this;
      if (!file) throw new Error('a database in memory has no file');
      const [replaced, next] = [file.path, putInPlace(file.path)];
      const connections = connectOrRemove(next);
      file.path = next;
      // Whoever closes it last waits until a large file's space is freed: that is nobody of this thread.
      const descriptor = openSync(replaced, 'r');
      // Of a file that has no name any more SQLite doesn't write the journal back when it is closed.
      removeFile(replaced);
      this.#disconnect();
      close(descriptor, () => undefined);
      this.#connections = connections;
    });
  }

  #disconnect(): void {
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
