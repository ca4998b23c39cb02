import type { Kysely } from 'kysely';
import { type Migration, migrate, prepareQuery, type ReadDatabase, type SlotOf } from '#projections';
import { GroupedWrites } from '../operations/grouped-writes.js';
import type { Copy, CopyKind } from './copy.js';

interface Tables {
  copies: { kind: CopyKind; id: string; revision: number; data: string | null };
}

const MIGRATIONS: Migration[] = [
  async ({ schema }) => {
    await schema
      .createTable('copies')
      .ifNotExists()
      .addColumn('kind', 'text', (column) => column.notNull())
      .addColumn('id', 'text', (column) => column.notNull())
      .addColumn('revision', 'bigint', (column) => column.notNull())
      .addColumn('data', 'text')
      .addPrimaryKeyConstraint('copies_by_id', ['kind', 'id'])
      .execute();
  },
];

const find = (database: ReadDatabase) =>
  prepareQuery(database, (db: Kysely<Tables>, slot: SlotOf<{ kind: CopyKind; id: string }>) =>
    db.selectFrom('copies').selectAll().where('kind', '=', slot('kind')).where('id', '=', slot('id')),
  );

/** Where the copies are kept: durable, for what a lost commit held would not come again. */
export class CopyTable {
  private readonly writes: GroupedWrites<Tables>;
  private readonly select: ReturnType<typeof find>;

  constructor(private readonly database: ReadDatabase) {
    this.writes = new GroupedWrites(database);
    this.select = find(database);
  }

  create(): Promise<void> {
    return migrate(this.database, 'copies', MIGRATIONS);
  }

  async find(kind: CopyKind, id: string): Promise<Copy | undefined> {
    const [row] = await this.select({ kind, id });
    return row && copyOf(row);
  }

  /** Stores what `next` makes of what is known. */
  update(kind: CopyKind, id: string, next: (known: Copy | undefined) => Copy | undefined): Promise<void> {
    return this.writes.write(async (transaction) => {
      const one = transaction.selectFrom('copies').selectAll().where('kind', '=', kind).where('id', '=', id);
      // Two processes that are told of the same thing at once take turns.
      const locked = this.database.dialect === 'postgres' ? one.forUpdate() : one;
      const row = await locked.executeTakeFirst();
      const copy = next(row && copyOf(row));
      if (!copy) return;
      const { revision } = copy;
      const data = copy.data && JSON.stringify(copy.data);
      await transaction
        .insertInto('copies')
        .values({ kind, id, revision, data })
        .onConflict((conflict) =>
          conflict
            .columns(['kind', 'id'])
            .doUpdateSet({ revision, data })
            .where('copies.revision', '<=', revision),
        )
        .execute();
    });
  }
}

const copyOf = ({ data, ...row }: Tables['copies']): Copy => ({
  ...row,
  revision: Number(row.revision),
  data: data === null ? null : (JSON.parse(data) as object),
});
