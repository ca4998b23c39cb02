import { Inject, Injectable } from '@nestjs/common';
import type { Kysely } from 'kysely';
import { streamName } from '#kernel';
import { decodeCursor, type KnownUser, type Page, pageOf, READ_DATABASE, UserDirectory } from '#platform';
import { Sealer } from '#privacy';
import { prepareQuery, type ReadDatabase, type SlotOf } from '#projections';
import { UserIds } from '../commands/user-ids.js';
import type { PersonalData } from '../domain/tenant-user.js';
import type { UserResource } from '../http/user.dto.js';
import type { UserDirectoryTables, UserRow } from './tables.js';

export interface ListUsers {
  limit: number;
  cursor?: string | undefined;
  externalId?: string | undefined;
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
    private readonly userIds: UserIds,
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

  /** Newest first. */
  async list(tenantId: string, { limit, cursor, externalId }: ListUsers): Promise<Page<UserResource>> {
    const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : decodeCursor(cursor);
    let query = this.reader()
      .selectFrom('users')
      .selectAll()
      .where('tenant_id', '=', tenantId)
      .where('sequence', '<', before);
    if (externalId !== undefined) {
      query = query.where('external_id_index', '=', this.userIds.externalIdIndex(tenantId, externalId));
    }
    const found = await query
      .orderBy('sequence', 'desc')
      .limit(limit + 1)
      .execute();
    const { rows, next } = pageOf(found, limit);
    const data = await Promise.all(rows.map((row) => this.resource(row)));
    return { data, next_cursor: next, total: await this.total(tenantId, externalId) };
  }

  private async total(tenantId: string, externalId: string | undefined): Promise<number> {
    if (externalId === undefined) {
      const counted = await this.reader()
        .selectFrom('user_counts')
        .select('total')
        .where('tenant_id', '=', tenantId)
        .executeTakeFirst();
      return counted?.total ?? 0;
    }
    const { total } = await this.reader()
      .selectFrom('users')
      .select((row) => row.fn.countAll<number>().as('total'))
      .where('tenant_id', '=', tenantId)
      .where('external_id_index', '=', this.userIds.externalIdIndex(tenantId, externalId))
      .executeTakeFirstOrThrow();
    return Number(total);
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
