import type { Kysely } from 'kysely';
import { type Migration, migrate, prepareQuery, type ReadDatabase, type SlotOf } from '#projections';
import { GroupedWrites } from '../operations/grouped-writes.js';
import type { Copy, CopyKind } from './copy.js';

/** The revision of what is not there. */
const NONE = -1;

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
  private readonly writes: GroupedWrites;
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

  /**
   * Stores what `next` makes of what is known. It is asked again where someone else has changed that meanwhile, also on
   * top of what it made, and answers nothing once it has no more to change.
   */
  async update(
    kind: CopyKind,
    id: string,
    next: (known: Copy | undefined) => Copy | undefined,
  ): Promise<void> {
    for (let known = await this.find(kind, id); ; ) {
      const copy = next(known);
      if (!copy) return;
      await this.writes.write(this.replacing(known, copy));
      known = await this.find(kind, id);
      if (isSame(known, copy)) return;
    }
  }

  /** Does nothing where the copy is not as it was known to be. */
  private replacing(known: Copy | undefined, { kind, id, revision, ...copy }: Copy) {
    const data = copy.data && JSON.stringify(copy.data);
    return this.database
      .reader<Tables>()
      .insertInto('copies')
      .values({ kind, id, revision, data })
      .onConflict((conflict) =>
        conflict
          .columns(['kind', 'id'])
          .doUpdateSet({ revision, data })
          .where('copies.revision', '=', known?.revision ?? NONE),
      );
  }
}

const isSame = (known: Copy | undefined, { revision, data }: Copy): boolean =>
  known?.revision === revision && JSON.stringify(known.data) === JSON.stringify(data);

const copyOf = ({ data, ...row }: Tables['copies']): Copy => ({
  ...row,
  revision: Number(row.revision),
  data: data === null ? null : (JSON.parse(data) as object),
});
