import {
  type Claim,
  type IdentifierRows,
  type KeyCollision,
  type KeyHolding,
  MAX_COLLISIONS,
  type TakenKey,
} from '../identifier-rows.js';
import type { KeyDatabase, Query } from './key-tables.js';

const isRowOf = 'key = any($1::bytea[]) and holder = $2';

/** Rolls back what a try has claimed. */
class Taken extends Error {}

/** Identifiers in the tables of a key store, shared by all processes. What is deleted stays in its pages until vacuum. */
export class PostgresIdentifiers implements IdentifierRows {
  readonly #database: KeyDatabase;

  constructor(database: KeyDatabase) {
    this.#database = database;
  }

  async find(key: Uint8Array): Promise<Claim | undefined> {
    const select = 'select holder, revision from identifiers where key = $1';
    return (await this.#database.query<Claim>(select, [Buffer.from(key)])).rows[0];
  }

  async claim(keys: readonly Uint8Array[], claim: Claim): Promise<TakenKey | undefined> {
    for (;;) {
      try {
        await this.#database.transaction((query) => claimAll(query, keys, claim));
        return undefined;
      } catch (error) {
        if (!(error instanceof Taken)) throw error;
      }
      const taken = await this.#taken(keys, claim.holder);
      // It may have been freed meanwhile.
      if (taken) return taken;
    }
  }

  async release(keys: readonly Uint8Array[], { holder, revision }: Claim): Promise<void> {
    const statement = `delete from identifiers where ${isRowOf} and revision <= $3`;
    await this.#database.query(statement, [buffers(keys), holder, revision]);
  }

  follow(holdings: readonly KeyHolding[], { fill }: { fill: boolean }): Promise<void> {
    return this.#database.transaction(async (query) => {
      for (const holding of holdings) {
        const { holder } = holding;
        if ('gone' in holding) {
          await query('delete from identifiers where holder = $1', [holder]);
          await query('delete from identifier_collisions where younger = $1', [holder]);
          continue;
        }
        const { kind, key } = holding;
        await releaseOthers(query, holding);
        await query('delete from identifier_collisions where younger = $1 and kind = $2', [holder, kind]);
        const older = fill && key ? await fillIn(query, key, holding) : undefined;
        if (older === undefined) continue;
        await query('insert into identifier_collisions values ($1, $2, $3)', [holder, kind, older]);
      }
    });
  }

  async collisions(): Promise<KeyCollision[]> {
    const select = 'select kind, older, younger from identifier_collisions order by younger limit $1';
    return (await this.#database.query<KeyCollision>(select, [MAX_COLLISIONS])).rows;
  }

  async isComplete(): Promise<boolean> {
    return (await this.#database.query('select 1 from identifiers_complete')).rows.length > 0;
  }

  async complete(): Promise<void> {
    await this.#database.query('insert into identifiers_complete values (1) on conflict do nothing');
  }

  async #taken(keys: readonly Uint8Array[], holder: string): Promise<TakenKey | undefined> {
    const { rows } = await this.#database.query<TakenKey>(
      `select place - 1 as index, holder, revision
       from unnest($1::bytea[]) with ordinality as wanted (key, place) join identifiers using (key)
       where holder <> $2 order by place limit 1`,
      [buffers(keys), holder],
    );
    return rows[0];
  }
}

const buffers = (keys: readonly Uint8Array[]): Buffer[] => keys.map((key) => Buffer.from(key));

/** In the order of the keys, so that two processes do not wait for each other. Throws Taken. */
async function claimAll(
  query: Query,
  keys: readonly Uint8Array[],
  { holder, revision }: Claim,
): Promise<void> {
  const { rows } = await query(
    `insert into identifiers select key, $2::text, $3::bigint from unnest($1::bytea[]) as wanted (key) order by key
     on conflict (key) do update set revision = greatest(identifiers.revision, excluded.revision)
     where identifiers.holder = excluded.holder returning 1`,
    [buffers(keys), holder, revision],
  );
  if (rows.length < keys.length) throw new Taken();
}

async function releaseOthers(
  query: Query,
  { holder, kind, key, revision }: Exclude<KeyHolding, { gone: true }>,
): Promise<void> {
  await query(
    `delete from identifiers
     where holder = $1 and get_byte(key, 0) = $2 and key is distinct from $3 and revision <= $4`,
    [holder, kind, key && Buffer.from(key), revision],
  );
}

/** Answers the older holder, if there is one. */
async function fillIn(
  query: Query,
  key: Uint8Array,
  { holder, revision }: Claim,
): Promise<string | undefined> {
  const { rows } = await query<Claim>(
    `insert into identifiers values ($1, $2, $3)
     on conflict (key) do update set revision = case when identifiers.holder = excluded.holder
       then greatest(identifiers.revision, excluded.revision) else identifiers.revision end
     returning holder`,
    [Buffer.from(key), holder, revision],
  );
  return rows[0]?.holder === holder ? undefined : rows[0]?.holder;
}
