import { type Kysely, sql } from 'kysely';
import type { ReadDatabase } from './read-database.js';

/** One change of tables that are not a projection's. Once it was released it stays as it is. */
export type Migration = (transaction: Kysely<unknown>, dialect: ReadDatabase['dialect']) => Promise<void>;

interface Schema {
  schema_versions: { part: string; version: number };
}

/**
 * Brings the tables of a part of the service to their latest version, in one transaction; processes that start at
 * once do so one after the other. Tables that a newer process has brought further are left as they are.
 */
export async function migrate(
  database: ReadDatabase,
  part: string,
  migrations: readonly Migration[],
): Promise<void> {
  if (database.dialect === 'sqlite') {
    // One process alone writes the file, so what is read before the transaction still holds in it.
    await database.write<Schema, void>(createVersions);
    const done = await versionOf(database.reader<Schema>(), part);
    if (done < migrations.length) {
      await database.write<Schema, void>((transaction) => bringFrom(done, transaction));
    }
    return;
  }
  await database.write<Schema, void>(async (transaction) => {
    await sql`select pg_advisory_xact_lock(hashtext('tenantry.migrations'), hashtext(current_schema()))`.execute(
      transaction,
    );
    await createVersions(transaction);
    await bringFrom(await versionOf(transaction, part), transaction);
  });

  async function bringFrom(done: number, transaction: Kysely<Schema>): Promise<void> {
    if (done >= migrations.length) return;
    for (const step of migrations.slice(done)) {
      await step(transaction as unknown as Kysely<unknown>, database.dialect);
    }
    const version = migrations.length;
    await transaction
      .insertInto('schema_versions')
      .values({ part, version })
      .onConflict((conflict) => conflict.column('part').doUpdateSet({ version }))
      .execute();
  }
}

const createVersions = (transaction: Kysely<Schema>): Promise<void> =>
  transaction.schema
    .createTable('schema_versions')
    .ifNotExists()
    .addColumn('part', 'text', (column) => column.primaryKey())
    .addColumn('version', 'integer', (column) => column.notNull())
    .execute();

async function versionOf(database: Kysely<Schema>, part: string): Promise<number> {
  const versions = database.selectFrom('schema_versions').select('version').where('part', '=', part);
  return (await versions.executeTakeFirst())?.version ?? 0;
}
