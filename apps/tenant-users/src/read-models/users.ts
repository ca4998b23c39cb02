import { Inject, Injectable } from '@nestjs/common';
import type { Kysely } from 'kysely';
import { streamName } from '#kernel';
import {
  decodeCursor,
  type KnownUser,
  type ListOrder,
  type Page,
  pageOf,
  READ_DATABASE,
  UserDirectory,
} from '#platform';
import { Sealer } from '#privacy';
import { prepareQuery, type ReadDatabase, type SlotOf } from '#projections';
import type { PersonalData } from '../domain/tenant-user.js';
import type { UserResource } from '../http/user.dto.js';
import type { UserDirectoryTables, UserRow } from './tables.js';
import type { UserFilter } from './user-filter.js';
import { UserLists } from './user-lists.js';

export interface ListUsers {
  limit: number;
  cursor?: string | undefined;
  order: ListOrder;
  filter: UserFilter;
}

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
export class Users extends UserDirectory {
  private readonly findUser: ReturnType<typeof findUser>;

  constructor(
    @Inject(READ_DATABASE) private readonly database: ReadDatabase,
    private readonly sealer: Sealer,
    private readonly lists: UserLists,
  ) {
    super();
    this.findUser = findUser(database);
  }

  async get(tenantId: string, userId: string): Promise<UserResource | undefined> {
    const [row] = await this.findUser({ userId, tenantId });
    return row && this.resource(row);
  }

  async find(tenantId: string, userId: string): Promise<KnownUser | undefined> {
    const [row] = await this.findUser({ userId, tenantId });
    return row && { status: row.status, accountKitId: row.account_kit_id };
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
    const data = await Promise.all(rows.map((row) => this.resource(row)));
    return { data, next_cursor: next, total };
  }

  private async resource(row: UserRow): Promise<UserResource> {
    // The key may be gone a moment before the row is: the person is nobody from then on.
    const personal = (await this.sealer.open(
      row.personal,
      streamName('tenantUser', row.id),
    )) as unknown as PersonalData | null;
    return {
      id: row.id,
      tenant_id: row.tenant_id,
      external_id: personal?.external_id ?? null,
      email: personal?.email ?? null,
      email_verified: false,
      username: personal?.username ?? null,
      first_name: personal?.first_name ?? null,
      middle_name: personal?.middle_name ?? null,
      last_name: personal?.last_name ?? null,
      phone_number: personal?.phone_number ?? null,
      phone_verified: false,
      label: personal?.label ?? null,
      role: row.role,
      teams: JSON.parse(row.teams) as string[],
      status: row.status,
      account_kit_id: row.account_kit_id,
      metadata: personal?.metadata ?? {},
      is_default: row.is_default === 1,
      onboarded: false,
      last_seen_at: null,
      revision: row.revision,
      created_at: row.created_at,
      updated_at: row.updated_at,
    };
  }

  private reader() {
    return this.database.reader<UserDirectoryTables>();
  }
}
