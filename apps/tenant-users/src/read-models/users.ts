import { Injectable } from '@nestjs/common';
import type { Kysely } from 'kysely';
import { ReadModels } from '#platform';
import { IdentifierRegistry, Sealer } from '#privacy';
import { prepareQuery, type ReadDatabase, type SlotOf } from '#projections';
import type { UserResource } from '../http/user.dto.js';
import { openPersonal } from './personal-text.js';
import type { UserDirectoryTables, UserRow } from './tables.js';
import { USER_DIRECTORY } from './user-directory.projection.js';
import { type Moment, type Place, USER_AS_OF, USER_EVENTS, type WantedEvents } from './user-history.js';
import { LIST_USERS, type ListUsers } from './user-queries.js';
import { rowResource } from './user-resource.js';
import { LISTED_COLUMNS } from './user-rows.js';

export interface WantedUsers extends ListUsers {
  /** Only the user who has it. */
  externalId?: string | undefined;
}

/** No user's id. */
const NOBODY = '';

export type UserPlace = Pick<UserRow, 'id' | 'sequence'>;

const findRow = (database: ReadDatabase) =>
  prepareQuery(
    database,
    (db: Kysely<UserDirectoryTables>, slot: SlotOf<{ userId: string; tenantId: string }>) =>
      db
        .selectFrom('users')
        .select(LISTED_COLUMNS)
        .where('id', '=', slot('userId'))
        .where('tenant_id', '=', slot('tenantId')),
  );

/** Reads users; each look-up is keyed by (tenant, id). */
@Injectable()
export class Users {
  private readonly database: ReadDatabase;
  private readonly findRow: ReturnType<typeof findRow>;

  constructor(
    private readonly sealer: Sealer,
    private readonly readModels: ReadModels,
    private readonly identifiers: IdentifierRegistry,
  ) {
    this.database = readModels.databaseOf(USER_DIRECTORY);
    this.findRow = findRow(this.database);
  }

  async get(tenantId: string, userId: string): Promise<UserResource | undefined> {
    const [row] = await this.findRow({ tenantId, userId });
    return row && rowResource(row, await openPersonal((...sealed) => this.sealer.openOrNull(...sealed), row));
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
    const kit = this.reader().selectFrom('kit_users').select('total').where('account_kit_id', '=', kitId);
    return ((await kit.executeTakeFirst())?.total ?? 0) > 0;
  }

  /** The body of the answer. */
  async list(tenantId: string, { externalId, ...wanted }: WantedUsers): Promise<Uint8Array> {
    this.readModels.require(USER_DIRECTORY);
    if (externalId === undefined) return this.readModels.ask(tenantId, LIST_USERS, tenantId, wanted);
    const id = await this.identifiers.holderOf({
      kind: 'user.external_id',
      scope: tenantId,
      value: externalId,
    });
    const filter = { ...wanted.filter, id: id ?? NOBODY };
    return this.readModels.ask(tenantId, LIST_USERS, tenantId, { ...wanted, filter });
  }

  /** See UserHistory, which it is read by where it holds up nobody. */
  asOf(place: Place, moment: Moment): Promise<UserResource> {
    return this.readModels.ask(place.tenantId, USER_AS_OF, place, moment);
  }

  /** The body of the answer. */
  events(place: Place, { limit, cursor }: WantedEvents): Promise<Uint8Array> {
    return this.readModels.ask(place.tenantId, USER_EVENTS, place, {
      limit,
      ...(cursor !== undefined && { cursor }),
    });
  }

  private reader() {
    return this.database.reader<UserDirectoryTables>();
  }
}
