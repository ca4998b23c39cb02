import type { PostgresQueryResult } from 'kysely';
import pg from 'pg';
import { PostgresConnection, StatementNames } from './postgres-connection.js';
import { connectError, databaseError } from './postgres-errors.js';
import { type PostgresAddress, parsePostgresUrl } from './postgres-url.js';

/** To connect, or until one of the pool's connections is free. */
const CONNECT_TIMEOUT_MS = 5_000;
const READ_TIMEOUT_MS = 10_000;
const WRITE_TIMEOUT_MS = 120_000;

export interface PostgresPoolOptions {
  max: number;
  /** Whose schema it is for; see `parsePostgresUrl`. */
  part?: string | undefined;
  /** A commit is answered before it is on the disk; the order of commits stays. */
  volatile?: boolean;
  /** A statement that others made fail is tried again. */
  readOnly?: boolean;
  /** Of one statement. */
  timeoutMs?: number;
}

export type Query = <Row>(text: string, values?: readonly unknown[]) => Promise<{ rows: Row[] }>;

const { INT8, NUMERIC, BOOL } = pg.types.builtins;

/** Numbers and 0 and 1, as SQLite gives them. */
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') => {
    if (oid === INT8 || oid === NUMERIC) return Number;
    if (oid === BOOL) return (text: string) => Number(text === 't');
    return pg.types.getTypeParser(oid, format);
  }) as typeof pg.types.getTypeParser,
};

/** How to connect; the server notices within some 8 s when this machine is gone. */
export function clientConfig({ connectionString, schema }: PostgresAddress): pg.ClientConfig {
  const settings = {
    search_path: schema,
    tcp_keepalives_idle: 3,
    tcp_keepalives_interval: 1,
    tcp_keepalives_count: 4,
    tcp_user_timeout: 8_000,
  };
  return {
    connectionString,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    application_name: 'tenantry',
    options: Object.entries(settings)
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(' '),
    types,
  };
}

/**
 * Makes sure that the server can be used, and makes the schema. Throws `illegal_state` with the cause where the URL
 * must be wrong, and `unavailable` where the server is only down.
 */
export async function preparePostgres(url: string, part?: string): Promise<void> {
  const address = parsePostgresUrl(url, part);
  const client = new pg.Client({ ...clientConfig(address), query_timeout: READ_TIMEOUT_MS });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const found = await client.query('select 1 from pg_namespace where nspname = $1', [address.schema]);
    // Two may start at once, and `if not exists` alone is no protection from the other one.
    if (found.rows.length === 0) {
      await client.query(`begin; select pg_advisory_xact_lock(hashtext('tenantry.schema'));
        create schema if not exists ${client.escapeIdentifier(address.schema)}; commit`);
    }
  } catch (error) {
    throw connectError(error);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Connections to one server, opened anew by themselves. Errors come as in the port ReadDatabase. */
export class PostgresPool {
  /** Kysely reads it. */
  readonly options = {};
  readonly #pool: pg.Pool;
  readonly #readOnly: boolean;
  readonly #statements = new StatementNames();
  #closed: Promise<void> | undefined;

  constructor(url: string, options: PostgresPoolOptions) {
    const { max, volatile = false, readOnly = false } = options;
    const config = clientConfig(parsePostgresUrl(url, options.part));
    const settings = `${config.options} -c synchronous_commit=${volatile ? 'off' : 'on'}`;
    const query_timeout = options.timeoutMs ?? (readOnly ? READ_TIMEOUT_MS : WRITE_TIMEOUT_MS);
    this.#pool = new pg.Pool({ ...config, options: settings, max, query_timeout });
    this.#readOnly = readOnly;
    // A lost connection is told to whoever uses it next; without listeners it would end the process.
    this.#pool.on('error', () => undefined);
    this.#pool.on('connect', (client) => client.on('error', () => undefined));
  }

  async connect(): Promise<PostgresConnection> {
    try {
      const client = await this.#pool.connect();
      return new PostgresConnection(client, this.#statements, this.#readOnly);
    } catch (error) {
      throw databaseError(error);
    }
  }

  async query<Row>(text: string, values: readonly unknown[] = []): Promise<PostgresQueryResult<Row>> {
    const connection = await this.connect();
    try {
      return await connection.query<Row>(text, values);
    } finally {
      connection.release();
    }
  }

  async transaction<Result>(work: (query: Query) => Promise<Result>): Promise<Result> {
    const connection = await this.connect();
    try {
      await connection.query('begin');
      const result = await work((text, values) => connection.query(text, values));
      await connection.query('commit');
      return result;
    } catch (error) {
      await connection.query('rollback').catch(() => connection.release(true));
      throw error;
    } finally {
      connection.release();
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#pool.end();
    return this.#closed;
  }

  end(): Promise<void> {
    return this.close();
  }
}
