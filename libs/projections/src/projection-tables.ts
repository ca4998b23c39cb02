import { randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { CheckpointSchema, Checkpoints } from './checkpoints.js';
import { type AnyProjection, type AnySchema, allTables, type CreateIndex } from './projection.js';
import type { ReadDatabase } from './read-database.js';
import { buildingFile, removeFile } from './sqlite/part-files.js';
import { RenameTablesPlugin, rebuildName, retiredName } from './table-names.js';

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

/**
 * Empty tables at the beginning of the log, where there are none of this version: of those of another one, which may have
 * had others, nothing stays. Answers the position where there are some.
 */
export async function makeTables(
  database: ReadDatabase,
  checkpoints: Checkpoints,
  projection: AnyProjection,
): Promise<bigint | undefined> {
  const { name, version } = projection;
  const tables = allTables(projection);
  const found = await checkpoints.find(name);
  const isCurrent = found?.version === version;
  await database.write<AnySchema & CheckpointSchema, void>(async (transaction) => {
    await dropLeftovers(transaction, tables);
    if (isCurrent) return;
    for (const table of new Set([...tables, ...(found?.tables ?? [])]))
      await transaction.schema.dropTable(table).ifExists().execute();
    await createTables(transaction, projection);
    await checkpoints.put(transaction, name, { version, position: 0n, tables });
  });
  if (isCurrent) return found.position;
  if (database.file) removeFile(buildingFile(database.file.path));
  return undefined;
}

/** What a rebuild has made and not put in its place. Earlier states put aside what it took the place of. */
export async function dropLeftovers(
  transaction: Kysely<AnySchema>,
  tables: readonly string[],
): Promise<void> {
  for (const table of tables.flatMap((it) => [rebuildName(it), retiredName(it)])) {
    await transaction.schema.dropTable(table).ifExists().execute();
  }
}

/** Puts the rebuilt tables in the place of the live ones. */
export async function swapTables(transaction: Kysely<AnySchema>, tables: readonly string[]): Promise<void> {
  for (const table of tables) {
    await transaction.schema.dropTable(table).execute();
    await transaction.schema.alterTable(rebuildName(table)).renameTo(table).execute();
  }
}

/** In a transaction of its own, so that nobody who waits for rows waits for it. */
export async function maintain(database: ReadDatabase, projection: AnyProjection): Promise<void> {
  if (!projection.maintain) return;
  await database.write<AnySchema, void>(async (transaction) => projection.maintain?.(transaction));
}
