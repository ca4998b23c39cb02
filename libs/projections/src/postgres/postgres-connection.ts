import type { PostgresQueryResult } from 'kysely';
import pg from 'pg';
import { illegalState } from '#kernel';
import { databaseError, isRepeatable, isStalePlan, readError } from './postgres-errors.js';

const MAX_TRIES = 3;
const MAX_STATEMENTS = 512;

/** Names under which each connection keeps a statement prepared: the same for the same text. */
export class StatementNames {
  readonly #names = new Map<string, string>();

  /** Undefined for what takes no values, and once there are so many that they must be made up anew each time. */
  of(text: string, values: readonly unknown[]): string | undefined {
    if (values.length === 0) return undefined;
    const known = this.#names.get(text);
    if (known || this.#names.size >= MAX_STATEMENTS) return known;
    const name = `s${this.#names.size}`;
    this.#names.set(text, name);
    return name;
  }
}

function bindable(value: unknown): unknown {
  if (typeof value === 'boolean') return Number(value);
  if (value === undefined || value instanceof Date) {
    throw new TypeError('a Date or undefined cannot be bound to a statement');
  }
  return value;
}

/** A connection for as long as someone has it; one query at a time. One that has failed is not given to the next. */
export class PostgresConnection {
  readonly #client: pg.PoolClient;
  readonly #statements: StatementNames;
  readonly #readOnly: boolean;
  #last: Promise<unknown> = Promise.resolve();
  #broken = false;
  #released = false;

  constructor(client: pg.PoolClient, statements: StatementNames, readOnly: boolean) {
    this.#client = client;
    this.#statements = statements;
    this.#readOnly = readOnly;
  }

  query<Row>(text: string, values: readonly unknown[] = []): Promise<PostgresQueryResult<Row>> {
    const result = this.#last.then(() => this.#run<Row>(text, values));
    this.#last = result.catch(() => undefined);
    return result;
  }

  release(broken = false): void {
    if (this.#released) return;
    this.#released = true;
    this.#client.release(broken || this.#broken);
  }

  async #run<Row>(text: string, values: readonly unknown[]): Promise<PostgresQueryResult<Row>> {
    if (this.#released) throw illegalState('the connection was given back');
    const statement: pg.QueryConfig = { text, values: values.map(bindable) };
    let name = this.#statements.of(text, values);
    for (let tries = 1; ; tries += 1) {
      try {
        const result = await this.#client.query({ ...statement, ...(name && { name }) });
        return result as unknown as PostgresQueryResult<Row>;
      } catch (error) {
        this.#broken ||= !(error instanceof pg.DatabaseError) || isStalePlan(error);
        // What was prepared stays wrong on this connection, which is given up afterwards.
        if (isStalePlan(error)) name = undefined;
        if (this.#readOnly && isRepeatable(error) && tries < MAX_TRIES) continue;
        throw this.#readOnly ? readError(error) : databaseError(error);
      }
    }
  }
}
