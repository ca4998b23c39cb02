import { DatabaseSync } from 'node:sqlite';
import {
  type Compilable,
  type CompiledQuery,
  type DatabaseConnection,
  DummyDriver,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  sql,
} from 'kysely';
import { unavailable } from '#kernel';
import { Lock } from '../lock.js';
import type { ReadDatabase } from '../read-database.js';
import { partFile } from './part-files.js';
import { type PlainQuery, plainQuery } from './plain-query.js';
import { SqliteConnection, SqliteDialect, translated } from './sqlite-dialect.js';
import { COMMON_PART } from './sqlite-read-folder.js';

const CACHE_KIB = 8 * 1024;
const BUSY_TIMEOUT_MS = 100;

/** The thread that writes the files. */
export interface QueryWriter {
  /** One transaction, in order. Resolves after its commit. */
  run(part: string, queries: readonly PlainQuery[]): Promise<void>;
}

/** Read models in SQLite files that another thread writes: read here, on connections that can do nothing else. */
export class RemoteReadFolder implements ReadDatabase {
  readonly dialect = 'sqlite';
  readonly #parts = new Map<string, RemotePart>();

  constructor(
    private readonly folder: string,
    private readonly writer: QueryWriter,
  ) {}

  of(name: string): RemotePart {
    const known = this.#parts.get(name);
    if (known) return known;
    const locate = () => partFile(this.folder, name);
    const part = new RemotePart(locate, (queries) => this.writer.run(name, queries));
    this.#parts.set(name, part);
    return part;
  }

  /** Another file stands under the part's name now. */
  replaced(name: string): void {
    this.#parts.get(name)?.reopen();
  }

  reader<Schema>(): Kysely<Schema> {
    return this.of(COMMON_PART).reader();
  }

  write<Schema, Result>(work: (transaction: Kysely<Schema>) => Promise<Result>): Promise<Result> {
    return this.of(COMMON_PART).write(work);
  }

  run(queries: readonly Compilable[]): Promise<void> {
    return this.of(COMMON_PART).run(queries);
  }

  select<Row>(query: CompiledQuery): Promise<Row[]> {
    return this.of(COMMON_PART).select(query);
  }

  async ready(): Promise<void> {
    for (const part of this.#parts.values()) await part.ready();
  }

  async close(): Promise<void> {
    for (const part of this.#parts.values()) await part.close();
  }
}

/** One of the files. A write may only write: what it would read is not there before its commit. */
export class RemotePart implements ReadDatabase {
  readonly dialect = 'sqlite';
  readonly #reader: Kysely<unknown>;
  readonly #sending = new Lock();
  #connection: SqliteConnection | undefined;
  #isClosed = false;

  constructor(
    /** Where it is now. */
    private readonly locate: () => string,
    private readonly send: (queries: readonly PlainQuery[]) => Promise<void>,
  ) {
    this.#reader = new Kysely({ dialect: new SqliteDialect(() => this.#open()) });
  }

  of(): this {
    return this;
  }

  reader<Schema>(): Kysely<Schema> {
    return this.#reader as Kysely<Schema>;
  }

  async write<Schema, Result>(work: (transaction: Kysely<Schema>) => Promise<Result>): Promise<Result> {
    const recording = new Recording();
    let result: Result | undefined;
    await this.#send(async () => {
      result = await work(recording.database as Kysely<Schema>);
      return recording.queries;
    });
    return result as Result;
  }

  async run(queries: readonly Compilable[]): Promise<void> {
    const compiled = queries.map(plainQuery);
    await this.#send(() => compiled);
  }

  async select<Row>(query: CompiledQuery): Promise<Row[]> {
    return (await this.#open().executeQuery<Row>(query)).rows;
  }

  async ready(): Promise<void> {
    await sql`select 1`.execute(this.#reader);
  }

  reopen(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  async close(): Promise<void> {
    this.reopen();
    this.#isClosed = true;
  }

  /** One after the other, as they were called; the next does not wait for the commit. */
  async #send(queries: () => readonly PlainQuery[] | Promise<readonly PlainQuery[]>): Promise<void> {
    const release = await this.#sending.acquire();
    let stored: Promise<void>;
    try {
      this.#requireOpen();
      stored = this.send(await queries());
    } finally {
      release();
    }
    await stored;
  }

  #requireOpen(): void {
    if (this.#isClosed) throw unavailable('the read database is closed');
  }

  #open(): SqliteConnection {
    this.#requireOpen();
    this.#connection ??= translated(() => {
      const database = new DatabaseSync(this.locate(), { readOnly: true, timeout: BUSY_TIMEOUT_MS });
      database.exec(`pragma cache_size=-${CACHE_KIB}`);
      return new SqliteConnection(database);
    });
    return this.#connection;
  }
}

/** Takes down the statements of a transaction instead of running them. */
class Recording {
  readonly queries: PlainQuery[] = [];
  readonly database: Kysely<unknown>;

  constructor() {
    const connection: DatabaseConnection = {
      executeQuery: async <Row>(query: CompiledQuery): Promise<QueryResult<Row>> => {
        if (query.query.kind === 'SelectQueryNode') throw new Error('a write to another thread cannot read');
        this.queries.push({ sql: query.sql, parameters: query.parameters });
        return { rows: [] };
      },
      streamQuery: () => {
        throw new Error('a write to another thread cannot read');
      },
    };
    class RecordingDriver extends DummyDriver {
      override async acquireConnection(): Promise<DatabaseConnection> {
        return connection;
      }
    }
    this.database = new Kysely({
      dialect: {
        createAdapter: () => new SqliteAdapter(),
        createDriver: () => new RecordingDriver(),
        createQueryCompiler: () => new SqliteQueryCompiler(),
        createIntrospector: (database) => new SqliteIntrospector(database),
      },
    });
  }
}
