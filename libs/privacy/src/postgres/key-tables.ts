/** Runs one statement, or part of a transaction. */
export type Query = <Row>(text: string, values?: readonly unknown[]) => Promise<{ rows: Row[] }>;

/** What the store needs of a PostgreSQL server, whose errors come out as TenantryError `unavailable`. */
export interface KeyDatabase {
  query: Query;
  transaction<Result>(work: (query: Query) => Promise<Result>): Promise<Result>;
  close(): Promise<void>;
}

/** Wrapped bytes, and nothing in clear. `destroyedAt` is RFC 3339 UTC. */
export interface KeyRow {
  id: number;
  wrapped: Buffer | null;
  destroyedAt: string | null;
}

/** Dead rows are vacuumed as soon as the server looks after the table, once a minute by default. */
const SET_UP = `
  create table if not exists subject_keys (id bigint primary key, wrapped bytea not null)
    with (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0);
  create sequence if not exists subject_key_ids owned by subject_keys.id;
  create table if not exists destroyed_keys (id bigint primary key, destroyed_at text not null);
  create table if not exists secrets (name text primary key, wrapped bytea not null);
  create table if not exists identifiers (key bytea primary key, holder text not null, revision bigint not null)
    with (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0);
  create index if not exists identifiers_by_holder on identifiers (holder);
  create table if not exists identifiers_complete (id integer primary key check (id = 1));
  create table if not exists identifier_collisions
    (younger text not null, kind integer not null, older text not null, primary key (younger, kind));
`;

/** The tables of a key store. Each change is one durable transaction. */
export class KeyTables {
  readonly #database: KeyDatabase;

  constructor(database: KeyDatabase) {
    this.#database = database;
  }

  /** Two processes that start at once make them one after the other. */
  create(): Promise<void> {
    return this.#database.transaction(async (query) => {
      await query(`select pg_advisory_xact_lock(hashtext('tenantry.keys'), hashtext(current_schema()))`);
      await query(SET_UP);
    });
  }

  /** Stores `count` keys under ids that were never given out before. */
  async append(count: number, wrappedKey: (id: string) => Uint8Array): Promise<void> {
    await this.#database.transaction(async (query) => {
      const { rows } = await query<{ id: number }>(
        `select nextval('subject_key_ids') as id from generate_series(1, $1::integer)`,
        [count],
      );
      const ids = rows.map(({ id }) => String(id));
      await query('insert into subject_keys select * from unnest($1::bigint[], $2::bytea[])', [
        ids,
        ids.map((id) => Buffer.from(wrappedKey(id))),
      ]);
    });
  }

  async read(ids: readonly string[]): Promise<KeyRow[]> {
    const { rows } = await this.#database.query<KeyRow>(
      `select id, wrapped, null as "destroyedAt" from subject_keys where id = any($1::bigint[])
       union all
       select id, null, destroyed_at from destroyed_keys where id = any($1::bigint[])`,
      [ids],
    );
    return rows;
  }

  /** Removes the keys; answers when each was first destroyed. */
  destroy(ids: readonly string[], at: string): Promise<Map<string, string>> {
    return this.#database.transaction(async (query) => {
      // In the order of the ids, so that two processes do not wait for each other.
      await query(
        `insert into destroyed_keys select id, $2 from subject_keys where id = any($1::bigint[]) order by id
         on conflict do nothing`,
        [ids, at],
      );
      await query('delete from subject_keys where id = any($1::bigint[])', [ids]);
      const { rows } = await query<KeyRow>(
        'select id, destroyed_at as "destroyedAt" from destroyed_keys where id = any($1::bigint[])',
        [ids],
      );
      return new Map(rows.map(({ id, destroyedAt }) => [String(id), String(destroyedAt)]));
    });
  }

  /** The secret of that name; the first `wrapped` of all processes makes it. */
  async secret(name: string, wrapped: Uint8Array): Promise<Uint8Array> {
    const statement = 'insert into secrets values ($1, $2) on conflict do nothing';
    await this.#database.query(statement, [name, Buffer.from(wrapped)]);
    const select = 'select wrapped from secrets where name = $1';
    const { rows } = await this.#database.query<{ wrapped: Buffer }>(select, [name]);
    if (!rows[0]) throw new Error('a secret is missing right after it was stored');
    return rows[0].wrapped;
  }

  async destroySecret(name: string): Promise<void> {
    await this.#database.query('delete from secrets where name = $1', [name]);
  }

  async check(): Promise<void> {
    await this.#database.query('select 1 from subject_keys limit 1');
  }

  close(): Promise<void> {
    return this.#database.close();
  }
}
