import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Kysely, sql } from 'kysely';
import { type AnyProjection, type AnySchema, allTables, type CreateIndex } from './projection.js';
import type { ReadDatabase } from './read-database.js';
import { RenameTablesPlugin, rebuildName, retiredName } from './table-names.js';

/** Few enough not to be felt by the requests that wait for the event loop. */
const ROWS_REMOVED_AT_ONCE = 256;

/** Creates the projection's tables under the names that `rename` gives, with index names of their own. */
export async function createTables(
  transaction: Kysely<AnySchema>,
  projection: AnyProjection,
  rename: (table: string) => string = (table) => table,
): Promise<void> {
  const suffix = randomBytes(4).toString('hex');
  const tables = allTables(projection);
  const schema = transaction.withPlugin(new RenameTablesPlugin({ tables, rename, suffix }));
  let count = 0;
  const createIndex: CreateIndex = async (table, columns, { unique = false, using = 'btree' } = {}) => {
    count += 1;
    const index = schema.schema
      .createIndex(`${table}_${count}_${suffix}`)
      .on(table)
      .columns([...columns]);
    const made = unique ? index.unique() : index;
    await (using === 'btree' ? made : made.using(using)).execute();
  };
  await projection.createTables(schema, createIndex);
}

/** Drops the tables and whatever an interrupted rebuild has left of them. */
export async function dropTables(transaction: Kysely<AnySchema>, tables: readonly string[]): Promise<void> {
  for (const table of tables) await transaction.schema.dropTable(table).ifExists().execute();
  await dropLeftovers(transaction, tables);
}

export async function dropLeftovers(
  transaction: Kysely<AnySchema>,
  tables: readonly string[],
): Promise<void> {
  for (const table of tables.flatMap((it) => [rebuildName(it), retiredName(it)])) {
    await transaction.schema.dropTable(table).ifExists().execute();
  }
}

/** Puts the rebuilt tables in the place of the live ones, which are kept aside until they are removed. */
export async function swapTables(transaction: Kysely<AnySchema>, tables: readonly string[]): Promise<void> {
  for (const table of tables) {
    await transaction.schema.alterTable(table).renameTo(retiredName(table)).execute();
    await transaction.schema.alterTable(rebuildName(table)).renameTo(table).execute();
  }
}

/**
 * Drops the tables that a swap has put aside. SQLite overwrites each dropped page at once and would hold up
 * everything meanwhile (over a second for a million rows), so there the rows go first, some at a time.
 */
export async function removeRetired(database: ReadDatabase, projection: AnyProjection): Promise<void> {
  const { indexTables = [] } = projection;
  for (const name of allTables(projection)) {
    const table = retiredName(name);
    let removed = database.dialect === 'sqlite' && !indexTables.includes(name) ? 1n : 0n;
    while (removed > 0n) {
      removed = await database.write((transaction) => removeSome(transaction, table));
      await nextTurn();
    }
    await database.write((transaction) => transaction.schema.dropTable(table).execute());
  }
}

/** In a transaction of its own, so that nobody who waits for rows waits for it. */
export async function maintain(database: ReadDatabase, projection: AnyProjection): Promise<void> {
  if (!projection.maintain) return;
  await database.write<AnySchema, void>(async (transaction) => projection.maintain?.(transaction));
}

async function removeSome(transaction: Kysely<unknown>, table: string): Promise<bigint> {
  const { numAffectedRows } = await sql`
    delete from ${sql.table(table)} where rowid in
      (select rowid from ${sql.table(table)} limit ${ROWS_REMOVED_AT_ONCE})`.execute(transaction);
  return numAffectedRows ?? 0n;
}
