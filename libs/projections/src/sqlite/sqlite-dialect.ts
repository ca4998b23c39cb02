import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { isNativeError } from 'node:util/types';
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import { unavailable } from '#kernel';

const MAX_STATEMENTS = 512;

/** SQLite's primary result codes for "not now": busy, locked, no memory, I/O, full, can't open, protocol. */
const PASSING_CODES = new Set([5, 6, 7, 10, 13, 14, 15]);

interface Statement {
  statement: StatementSync;
  returnsRows: boolean;
}

/** Kysely over one node:sqlite connection, which may change between two queries. Every query runs synchronously inside its promise. */
export class SqliteDialect implements Dialect {
  readonly #connection: () => SqliteConnection;

  constructor(connection: () => SqliteConnection) {
    this.#connection = connection;
  }

  createAdapter(): SqliteAdapter {
    return new SynchronousAdapter(this.#connection);
  }

  createDriver(): Driver {
    return new SqliteDriver(this.#connection);
  }

  createQueryCompiler(): SqliteQueryCompiler {
    return new SqliteQueryCompiler();
  }

  createIntrospector(database: Kysely<unknown>): SqliteIntrospector {
    return new SqliteIntrospector(database);
  }
}

/**
 * Writers queue in SqliteReadDatabase and readers never overlap, so Kysely's lock per query is left out. It carries
 * the connection for hot statements, which are run without a promise each.
 */
export class SynchronousAdapter extends SqliteAdapter {
  readonly #connection: () => SqliteConnection;

  constructor(connection: () => SqliteConnection) {
    super();
    this.#connection = connection;
  }

  get connection(): SqliteConnection {
    return this.#connection();
  }

  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

class SqliteDriver implements Driver {
  readonly #connection: () => SqliteConnection;

  constructor(connection: () => SqliteConnection) {
    this.#connection = connection;
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    return this.#connection();
  }

  async beginTransaction(): Promise<void> {
    this.#connection().exec('begin immediate');
  }

  async commitTransaction(): Promise<void> {
    this.#connection().exec('commit');
  }

  async rollbackTransaction(): Promise<void> {
    // SQLite has rolled back by itself after errors such as a full disk.
    if (this.#connection().isTransaction) this.#connection().exec('rollback');
  }

  async releaseConnection(): Promise<void> {}

  async destroy(): Promise<void> {}
}

/** One node:sqlite connection with its prepared statements. */
export class SqliteConnection implements DatabaseConnection {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, Statement>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  get isTransaction(): boolean {
    return this.#database.isTransaction;
  }

  exec(statements: string): void {
    translated(() => this.#database.exec(statements));
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    return this.run(query);
  }

  run<Row>(query: Pick<CompiledQuery, 'sql' | 'parameters'>): QueryResult<Row> {
    return translated(() => {
      const { statement, returnsRows } = this.#statement(query.sql);
      const values = query.parameters.map(bindable);
      if (returnsRows) return { rows: statement.all(...values) as Row[] };
      return { rows: [], numAffectedRows: BigInt(statement.run(...values).changes) };
    });
  }

  streamQuery(): AsyncIterableIterator<never> {
    throw new Error('streaming is not supported; read in pages');
  }

  /** The least recently used statement leaves first: a Map keeps the order of insertion. */
  #statement(text: string): Statement {
    let found = this.#statements.get(text);
    if (found) {
      this.#statements.delete(text);
    } else {
      const statement = this.#database.prepare(text);
      found = { statement, returnsRows: statement.columns().length > 0 };
      for (const oldest of this.#statements.keys()) {
        if (this.#statements.size < MAX_STATEMENTS) break;
        this.#statements.delete(oldest);
      }
    }
    this.#statements.set(text, found);
    return found;
  }
}

/** node:sqlite itself refuses what SQLite can't hold. */
const bindable = (value: unknown): SQLInputValue =>
  typeof value === 'boolean' ? Number(value) : (value as SQLInputValue);

export function translated<Result>(call: () => Result): Result {
  try {
    return call();
  } catch (error) {
    if (isPassing(error)) throw unavailable('the read database is not available', { cause: error });
    throw error;
  }
}

function isPassing(error: unknown): boolean {
  if (!isNativeError(error)) return false;
  if ('errcode' in error) return PASSING_CODES.has(Number(error.errcode) & 0xff);
  return 'code' in error && error.code === 'ERR_INVALID_STATE';
}
