import pg from 'pg';
import { databaseError } from './postgres-errors.js';
import { clientConfig } from './postgres-pool.js';
import type { PostgresAddress } from './postgres-url.js';

/** Long enough for a busy server, short enough to notice its loss before it gives our locks to another process. */
const TIMEOUT_MS = 3_000;

export interface SessionListener {
  notified(payload: string): void;
  /** Once: nothing is heard any more, and the server lets go, or has let go, of the session's locks. */
  lost(): void;
}

/** One connection that lasts: it holds advisory locks and hears what is notified. */
export class PostgresSession {
  readonly #client: pg.Client;
  readonly #listener: SessionListener;
  #open = true;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(client: pg.Client, listener: SessionListener) {
    this.#client = client;
    this.#listener = listener;
    client.on('notification', ({ payload }) => this.#open && listener.notified(payload ?? ''));
    client.on('error', () => this.#lose());
    client.on('end', () => this.#lose());
  }

  static async open(
    address: PostgresAddress,
    channel: string,
    listener: SessionListener,
  ): Promise<PostgresSession> {
    const timeouts = { connectionTimeoutMillis: TIMEOUT_MS, query_timeout: TIMEOUT_MS };
    const client = new pg.Client({ ...clientConfig(address), ...timeouts });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.query(`listen ${client.escapeIdentifier(channel)}`);
    } catch (error) {
      await client.end().catch(() => undefined);
      throw databaseError(error);
    }
    return new PostgresSession(client, listener);
  }

  /** A failure of the connection ends the session. */
  query<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    const result = this.#last.then(() => this.#run<Row>(text, values));
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #run<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[]): Promise<Row[]> {
    try {
      return (await this.#client.query<Row>(text, [...values])).rows;
    } catch (error) {
      // After a time-out the answer may still come, to the wrong question.
      if (!(error instanceof pg.DatabaseError)) this.#lose();
      throw databaseError(error);
    }
  }

  async close(): Promise<void> {
    this.#open = false;
    await this.#client.end().catch(() => undefined);
  }

  #lose(): void {
    if (!this.#open) return;
    void this.close();
    this.#listener.lost();
  }
}
