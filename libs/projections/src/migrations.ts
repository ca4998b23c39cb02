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
  await database.write<Schema, void>(async (transaction) => {
    if (database.dialect === 'postgres') {
      await sql`select pg_advisory_xact_lock(hashtext('tenantry.migrations'), hashtext(current_schema()))`.execute(
        transaction,
      );
    }
    await transaction.schema
      .createTable('schema_versions')
      .ifNotExists()
      .addColumn('part', 'text', (column) => column.primaryKey())
      .addColumn('version', 'integer', (column) => column.notNull())
      .execute();
    const versions = transaction.selectFrom('schema_versions').select('version').where('part', '=', part);
    const done = (await versions.executeTakeFirst())?.version ?? 0;
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
  });
}
