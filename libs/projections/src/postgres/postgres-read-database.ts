import {
  type Compilable,
  type CompiledQuery,
  Kysely,
  PostgresDialect,
  type PostgresDialectConfig,
} from 'kysely';
import { executing } from '../executing.js';
import type { ReadDatabase } from '../read-database.js';
import { ByteOrderPlugin } from './byte-order-plugin.js';
import { PostgresPool, preparePostgres } from './postgres-pool.js';

const READERS = 8;
/** Queues of writes beyond these wait for one another. */
const WRITERS = 6;

type Work<Schema, Result> = (transaction: Kysely<Schema>) => Promise<Result>;

export interface PostgresOptions {
  durable?: boolean;
  /** Whose schema it is in; see `parsePostgresUrl`. */
  part?: string;
}

/** Kysely's type has cursors too, which it asks for only when told to stream with one. */
const dialectOf = (pool: PostgresPool) =>
  new PostgresDialect({ pool: pool as unknown as Exclude<PostgresDialectConfig['pool'], () => unknown> });

/**
 * Read models in one schema of a PostgreSQL server. Commits of one that is not `durable` may be lost with the
 * server, but never their order, and the log gives them again.
 */
export class PostgresReadDatabase implements ReadDatabase {
  readonly dialect = 'postgres';
  readonly #reads: PostgresPool;
  readonly #writes: PostgresPool;
  readonly #reader: Kysely<unknown>;
  readonly #writer: Kysely<unknown>;
  readonly #queues = new Map<string, Promise<unknown>>();

  private constructor(url: string, { durable = false, part }: PostgresOptions) {
    this.#reads = new PostgresPool(url, { max: READERS, readOnly: true, part });
    this.#writes = new PostgresPool(url, { max: WRITERS, volatile: !durable, part });
    this.#reader = new Kysely({ dialect: dialectOf(this.#reads) });
    this.#writer = new Kysely({ dialect: dialectOf(this.#writes), plugins: [new ByteOrderPlugin()] });
  }

  /** Makes the schema where it is missing. Throws as `preparePostgres` does. */
  static async open(url: string, options: PostgresOptions = {}): Promise<PostgresReadDatabase> {
    await preparePostgres(url, options.part);
    return new PostgresReadDatabase(url, options);
  }

  reader<Schema>(): Kysely<Schema> {
    return this.#reader as Kysely<Schema>;
  }

  write<Schema, Result>(work: Work<Schema, Result>, queue = ''): Promise<Result> {
    const before = this.#queues.get(queue) ?? Promise.resolve();
    const result = before.then(() =>
      this.#writer.transaction().execute((it: Kysely<unknown>) => work(it as Kysely<Schema>)),
    );
    // The caller has the rejection; the next in the queue goes on regardless.
    this.#queues.set(
      queue,
      result.catch(() => undefined),
    );
    return result;
  }

  run(queries: readonly Compilable[], queue = ''): Promise<void> {
    return this.write(executing(queries), queue);
  }

  of(name: string): ReadDatabase {
    return {
      dialect: this.dialect,
      reader: () => this.reader(),
      write: (work) => this.write(work, name),
      run: (queries) => this.run(queries, name),
      of: (other) => this.of(other),
      select: (query) => this.select(query),
      ready: () => this.ready(),
      close: async () => undefined,
    };
  }

  async select<Row>({ sql, parameters }: CompiledQuery): Promise<Row[]> {
    return (await this.#reads.query<Row>(sql, parameters)).rows;
  }

  async ready(): Promise<void> {
    await this.#reads.query('select 1');
  }

  async close(): Promise<void> {
    await Promise.all(this.#queues.values());
    await Promise.all([this.#reads.close(), this.#writes.close()]);
  }
}
