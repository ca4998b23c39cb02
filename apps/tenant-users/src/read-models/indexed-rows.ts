import { type Kysely, type SelectQueryBuilder, type SqlBool, sql } from 'kysely';
import type { Sealer } from '#privacy';
import { prepareQuery, type ReadDatabase, type SlotOf } from '#projections';
import type { PersonalData } from '../domain/tenant-user.js';
import { openTexts } from './personal-texts.js';
import type { UserDirectoryTables, UserRow, UserTag } from './tables.js';
import { USER_DIRECTORY } from './user-directory.projection.js';
import type { UserCondition } from './user-filter.js';

/** A user as the tables hold it now. */
export interface ChangedUser {
  row: UserRow;
  /** `kind:value` of each tag. */
  tags: ReadonlySet<string>;
  /** Empty unless it was to be opened, and once its key is destroyed. */
  personal: Partial<PersonalData>;
}

export interface UserChange {
  /** Of the latest event of the user. */
  position: number;
  sequence: number;
  /** Undefined for one that is gone. */
  user: ChangedUser | undefined;
}

interface Since {
  tenantId: string;
  position: number;
  limit: number;
}

/** One statement, so that no change is passed over that was committed between two. */
const changedSince = (database: ReadDatabase) =>
  prepareQuery(database, (db: Kysely<UserDirectoryTables>, slot: SlotOf<Since>) =>
    db
      .selectFrom('users')
      .select(['position', 'sequence', 'id'])
      .where('tenant_id', '=', slot('tenantId'))
      .where('position', '>', slot('position'))
      .unionAll(
        db
          .selectFrom('departed_users')
          .select(['position', 'sequence', sql<string>`''`.as('id')])
          .where('tenant_id', '=', slot('tenantId'))
          .where('position', '>', slot('position')),
      )
      .orderBy('position')
      .limit(slot('limit')),
  );

/** What a user index reads of one tenant. */
export class IndexedRows {
  private changedSince: ReturnType<typeof changedSince> | undefined;

  constructor(
    private readonly database: ReadDatabase,
    private readonly sealer: Sealer,
    private readonly tenantId: string,
  ) {}

  /** The position of the tenant's latest change; whatever is read after it holds that change. */
  async position(): Promise<number> {
    const latest = async (table: 'users' | 'departed_users') => {
      const rows = this.reader().selectFrom(table).select('position').where('tenant_id', '=', this.tenantId);
      return (await rows.orderBy('position', 'desc').limit(1).executeTakeFirst())?.position ?? 0;
    };
    return Math.max(await latest('users'), await latest('departed_users'));
  }

  /** Ascending; of all users where there is no condition. */
  async sequences(condition: UserCondition | undefined, after: number, limit: number): Promise<number[]> {
    const { tenantId } = this;
    const page = <Table extends 'users' | 'user_tags'>(
      rows: SelectQueryBuilder<UserDirectoryTables, Table, { sequence: number }>,
    ) =>
      rows
        .where(sql<SqlBool>`tenant_id = ${tenantId} and sequence > ${after}`)
        .orderBy(sql`sequence`)
        .limit(limit)
        .execute();
    const rows = await (condition && 'kind' in condition
      ? page(this.tagged(condition))
      : page(this.meeting(condition)));
    return rows.map(({ sequence }) => sequence);
  }

  /** The next users in ascending order of their sequences, opened. */
  async personal(
    after: number,
    limit: number,
  ): Promise<{ sequence: number; personal: Partial<PersonalData> }[]> {
    const rows = await this.reader()
      .selectFrom('users')
      .select(['id', 'sequence', 'personal'])
      .where('tenant_id', '=', this.tenantId)
      .where('sequence', '>', after)
      .orderBy('sequence')
      .limit(limit)
      .execute();
    return Promise.all(
      rows.map(async (row) => ({ sequence: row.sequence, personal: await this.opened(row) })),
    );
  }

  /** The users that changed after the position, by the position of their latest change, ascending. */
  async changes(position: number, options: { limit: number; opened: boolean }): Promise<UserChange[]> {
    const { tenantId } = this;
    this.changedSince ??= changedSince(this.database.of(USER_DIRECTORY));
    const changes = await this.changedSince({ tenantId, position, limit: options.limit });
    const ids = changes.map(({ id }) => id).filter((id) => id !== '');
    const found = new Map((await this.named(ids, options.opened)).map((user) => [user.row.id, user]));
    return changes.map(({ id, ...change }) => ({ ...change, user: found.get(id) }));
  }

  /** By their ids alone: SQLite would take the tenant's index for the better one, and read all of its users. */
  private async named(ids: string[], opened: boolean): Promise<ChangedUser[]> {
    if (ids.length === 0) return [];
    const rows = await this.reader().selectFrom('users').selectAll().where('id', 'in', ids).execute();
    const own = rows.filter(({ tenant_id }) => tenant_id === this.tenantId);
    return this.users(own, opened);
  }

  /** In no order; personal data stays sealed. */
  async at(sequences: number[]): Promise<ChangedUser[]> {
    if (sequences.length === 0) return [];
    const rows = this.reader().selectFrom('users').selectAll().where('tenant_id', '=', this.tenantId);
    return this.users(await rows.where('sequence', 'in', sequences).execute(), false);
  }

  private async users(rows: UserRow[], opened: boolean): Promise<ChangedUser[]> {
    const tags = this.reader().selectFrom('user_tags').select(['user_id', 'kind', 'value']);
    const ids = rows.map(({ id }) => id);
    const tagsOf = Map.groupBy(await tags.where('user_id', 'in', ids).execute(), ({ user_id }) => user_id);
    return Promise.all(
      rows.map(async (row) => ({
        row,
        tags: new Set(tagsOf.get(row.id)?.map(({ kind, value }) => `${kind}:${value}`)),
        personal: opened ? await this.opened(row) : {},
      })),
    );
  }

  private async opened(row: Pick<UserRow, 'id' | 'personal'>): Promise<Partial<PersonalData>> {
    return (await openTexts(this.sealer, row, { remember: false })) ?? {};
  }

  private tagged({ kind, value }: Pick<UserTag, 'kind' | 'value'>) {
    const tags = this.reader().selectFrom('user_tags').select('sequence');
    return tags.where('kind', '=', kind).where('value', '=', value);
  }

  private meeting(condition: Extract<UserCondition, { column: string }> | undefined) {
    const users = this.reader().selectFrom('users').select('sequence');
    return condition ? users.where(condition.column, '=', condition.value) : users;
  }

  private reader() {
    return this.database.of(USER_DIRECTORY).reader<UserDirectoryTables>();
  }
}
