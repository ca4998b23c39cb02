import { Inject, Injectable } from '@nestjs/common';
import type { Kysely } from 'kysely';
import { Aggregates } from '#event-store';
import {
  type KnownUser,
  LogAnswers,
  ProjectionCache,
  READ_DATABASE,
  ReadModels,
  UserDirectory,
} from '#platform';
import { prepareQuery, type ReadDatabase, type SlotOf } from '#projections';
import { tenant } from '../domain/tenant.js';
import type { OpeningBudget } from '../domain/tenant-user.js';
import { ACCESS } from './access.projection.js';
import type { AccessTables, UserDirectoryTables, UserRow } from './tables.js';
import { USER_DIRECTORY } from './user-directory.projection.js';
import { UserHistory } from './user-history.js';

const MAX_KNOWN = 50_000;

const findKnown = (database: ReadDatabase) =>
  prepareQuery(
    database,
    (db: Kysely<UserDirectoryTables>, slot: SlotOf<{ userId: string; tenantId: string }>) =>
      db
        .selectFrom('users')
        .select(['status', 'account_kit_id', 'created_at', 'opening_budget'])
        .where('id', '=', slot('userId'))
        .where('tenant_id', '=', slot('tenantId')),
  );

const findTenant = (database: ReadDatabase) =>
  prepareQuery(database, (db: Kysely<AccessTables>, slot: SlotOf<{ tenantId: string }>) =>
    db.selectFrom('tenants').select('id').where('id', '=', slot('tenantId')),
  );

/** What the other services know of users. */
@Injectable()
export class KnownUsers extends UserDirectory {
  private readonly findKnown: ReturnType<typeof findKnown>;
  private readonly findTenant: ReturnType<typeof findTenant>;
  /** Verifying keys and metering ask for one each time. */
  private readonly known: ProjectionCache<KnownUser>;

  constructor(
    @Inject(READ_DATABASE) database: ReadDatabase,
    readModels: ReadModels,
    private readonly history: UserHistory,
    private readonly aggregates: Aggregates,
    private readonly log: LogAnswers,
  ) {
    super();
    this.findKnown = findKnown(database.of(USER_DIRECTORY));
    this.findTenant = findTenant(database.of(ACCESS));
    const changes = [USER_DIRECTORY, ACCESS].map((name) => readModels.changesOf(name));
    this.known = new ProjectionCache(changes, MAX_KNOWN);
  }

  find(tenantId: string, userId: string): Promise<KnownUser | undefined> {
    return this.log.lookUp(
      [USER_DIRECTORY, ACCESS],
      () => this.known.get(`${tenantId}:${userId}`, () => this.read(tenantId, userId)),
      () => this.recall(tenantId, userId),
    );
  }

  /** The access read model stops knowing a deleted tenant before the last of its users is gone. */
  private async read(tenantId: string, userId: string): Promise<KnownUser | undefined> {
    const [[user], [owner]] = await Promise.all([
      this.findKnown({ userId, tenantId }),
      this.findTenant({ tenantId }),
    ]);
    // A deleted tenant is not known any more before the last of its users is gone.
    return user && owner && knownUser(user);
  }

  private async recall(tenantId: string, userId: string): Promise<KnownUser | undefined> {
    const { state } = await this.aggregates.load(tenant, tenantId);
    return state.lifecycle === 'alive' ? this.history.known({ tenantId, userId }) : undefined;
  }
}

type KnownRow = Pick<UserRow, 'status' | 'account_kit_id' | 'created_at' | 'opening_budget'>;

function knownUser({ status, account_kit_id, created_at, opening_budget }: KnownRow): KnownUser {
  const terms = opening_budget === null ? null : (JSON.parse(opening_budget) as OpeningBudget);
  const openingBudget = terms && { limit: terms.limit_micro_usd, period: terms.period };
  return { status, accountKitId: account_kit_id, createdAt: created_at, openingBudget };
}
