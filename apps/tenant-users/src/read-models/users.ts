import { Injectable } from '@nestjs/common';
import type { Kysely } from 'kysely';
import { streamName } from '#kernel';
import { decodeCursor, type ListOrder, type Page, pageOf, ReadModels } from '#platform';
import { Sealer } from '#privacy';
import { prepareQuery, type ReadDatabase, type SlotOf } from '#projections';
import type { PersonalData } from '../domain/tenant-user.js';
import type { UserResource } from '../http/user.dto.js';
import type { UserDirectoryTables, UserRow } from './tables.js';
import { USER_DIRECTORY } from './user-directory.projection.js';
import type { UserFilter } from './user-filter.js';
import { UserLists } from './user-lists.js';
import { userResource } from './user-resource.js';

export interface ListUsers {
  limit: number;
  cursor?: string | undefined;
  order: ListOrder;
  filter: UserFilter;
}

export type UserPlace = Pick<UserRow, 'id' | 'sequence'>;

const findUser = (database: ReadDatabase) =>
  prepareQuery(
    database,
    (db: Kysely<UserDirectoryTables>, slot: SlotOf<{ userId: string; tenantId: string }>) =>
      db
        .selectFrom('users')
        .selectAll()
        .where('id', '=', slot('userId'))
        .where('tenant_id', '=', slot('tenantId')),
  );

/** Reads users; each look-up is keyed by (tenant, id). */
@Injectable()
export class Users {
  private readonly findUser: ReturnType<typeof findUser>;

  private readonly database: ReadDatabase;

  constructor(
    readModels: ReadModels,
    private readonly sealer: Sealer,
    private readonly lists: UserLists,
  ) {
    this.database = readModels.databaseOf(USER_DIRECTORY);
    this.findUser = findUser(this.database);
  }

  async get(tenantId: string, userId: string): Promise<UserResource | undefined> {
    const [row] = await this.findUser({ userId, tenantId });
    return row && this.resource(row);
  }

  /** Users of the tenant in the order of their creation, whatever the tenant's state. */
  page(tenantId: string, { after, limit }: { after: number; limit: number }): Promise<UserPlace[]> {
    return this.reader()
      .selectFrom('users')
      .select(['id', 'sequence'])
      .where('tenant_id', '=', tenantId)
      .where('sequence', '>', after)
      .orderBy('sequence')
      .limit(limit)
      .execute();
  }

  /** Whether any user of any tenant is governed by this kit. */
  async haveAccountKit(kitId: string): Promise<boolean> {
    const users = this.reader().selectFrom('users').select('id').where('account_kit_id', '=', kitId);
    return (await users.limit(1).executeTakeFirst()) !== undefined;
  }

  async list(tenantId: string, { limit, cursor, order, filter }: ListUsers): Promise<Page<UserResource>> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, order);
    const { rows: found, total } = await this.lists.find(tenantId, filter, { limit, after, order });
    const { rows, next } = pageOf(found, limit, order);
    const data = await Promise.all(rows.map((row) => this.resource(row, { remember: false })));
    return { data, next_cursor: next, total };
  }

  private async resource(row: UserRow, { remember = true } = {}): Promise<UserResource> {
    // The key may be gone a moment before the row is: the person is nobody from then on.
    const personal = (await this.sealer.open(row.personal, streamName('tenantUser', row.id), {
      remember,
    })) as unknown as PersonalData | null;
    const facts = { ...row, teams: JSON.parse(row.teams) as string[], is_default: row.is_default === 1 };
    return userResource(facts, personal);
  }

  private reader() {
    return this.database.reader<UserDirectoryTables>();
  }
}
