import type { Snapshot, SnapshotStore } from '#event-store';
import { type Migration, migrate, type ReadDatabase } from '#projections';

interface Schema {
  snapshots: { stream: string; version: number; revision: number; key_id: string; sealed: string };
}

const MIGRATIONS: Migration[] = [
  async ({ schema }) => {
    await schema
      .createTable('snapshots')
      .ifNotExists()
      .addColumn('stream', 'text', (column) => column.primaryKey())
      .addColumn('version', 'integer', (column) => column.notNull())
      .addColumn('revision', 'bigint', (column) => column.notNull())
      .addColumn('key_id', 'text', (column) => column.notNull())
      .addColumn('sealed', 'text', (column) => column.notNull())
      .execute();
  },
];

/** Snapshots beside the other things that are no read model. */
export class DurableSnapshots implements SnapshotStore {
  private constructor(private readonly database: ReadDatabase) {}

  static async open(database: ReadDatabase): Promise<DurableSnapshots> {
    await migrate(database, 'snapshots', MIGRATIONS);
    return new DurableSnapshots(database);
  }

  async find(stream: string, version: number): Promise<Snapshot | undefined> {
    const row = await this.database
      .reader<Schema>()
      .selectFrom('snapshots')
      .selectAll()
      .where('stream', '=', stream)
      .where('version', '=', version)
      .executeTakeFirst();
    return row && { stream, version, revision: Number(row.revision), keyId: row.key_id, sealed: row.sealed };
  }

  async put({ stream, keyId: key_id, ...snapshot }: Snapshot): Promise<void> {
    await this.database.write<Schema, void>(async (transaction) => {
      await transaction
        .insertInto('snapshots')
        .values({ stream, key_id, ...snapshot })
        .onConflict((conflict) => conflict.column('stream').doUpdateSet({ key_id, ...snapshot }))
        .execute();
    });
  }
}
