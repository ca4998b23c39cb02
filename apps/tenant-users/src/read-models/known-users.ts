import { Inject, Injectable } from '@nestjs/common';
import type { Kysely } from 'kysely';
import { Aggregates } from '#event-store';
import { type KnownUser, LogAnswers, ProjectionCache, READ_DATABASE, UserDirectory } from '#platform';
import { prepareQuery, type ReadDatabase, type SlotOf } from '#projections';
import { tenant } from '../domain/tenant.js';
import type { OpeningBudget } from '../domain/tenant-user.js';
import { ACCESS, AccessProjection } from './access.projection.js';
import type { AccessTables, UserDirectoryTables, UserRow } from './tables.js';
import { USER_DIRECTORY, UserDirectoryProjection } from './user-directory.projection.js';
import { UserHistory } from './user-history.js';

const MAX_KNOWN = 50_000;

/** The access read model stops knowing a deleted tenant before the last of its users is gone. */
const findKnown = (database: ReadDatabase) =>
  prepareQuery(
    database,
    (db: Kysely<UserDirectoryTables & AccessTables>, slot: SlotOf<{ userId: string; tenantId: string }>) =>
      db
        .selectFrom('users')
        .innerJoin('tenants', 'tenants.id', 'users.tenant_id')
        .select(['users.status', 'users.account_kit_id', 'users.created_at', 'users.opening_budget'])
        .where('users.id', '=', slot('userId'))
        .where('users.tenant_id', '=', slot('tenantId')),
  );

/** What the other services know of users. */
@Injectable()
export class KnownUsers extends UserDirectory {
  private readonly findKnown: ReturnType<typeof findKnown>;
  /** Verifying keys and metering ask for one each time. */
  private readonly known: ProjectionCache<KnownUser>;

  constructor(
    @Inject(READ_DATABASE) database: ReadDatabase,
    directory: UserDirectoryProjection,
    access: AccessProjection,
    private readonly history: UserHistory,
    private readonly aggregates: Aggregates,
    private readonly log: LogAnswers,
  ) {
    super();
    this.findKnown = findKnown(database);
    this.known = new ProjectionCache([directory, access], MAX_KNOWN);
  }

  find(tenantId: string, userId: string): Promise<KnownUser | undefined> {
    return this.log.lookUp(
      [USER_DIRECTORY, ACCESS],
      () => this.known.get(`${tenantId}:${userId}`, () => this.read(tenantId, userId)),
      () => this.recall(tenantId, userId),
    );
  }

  private async read(tenantId: string, userId: string): Promise<KnownUser | undefined> {
    const [user] = await this.findKnown({ userId, tenantId });
    return user && knownUser(user);
  }

  private async recall(tenantId: string, userId: string): Promise<KnownUser | undefined> {
    const { state } = await this.aggregates.refresh(tenant, tenantId);
    return state.lifecycle === 'alive' ? this.history.known({ tenantId, userId }) : undefined;
  }
}

type KnownRow = Pick<UserRow, 'status' | 'account_kit_id' | 'created_at' | 'opening_budget'>;

function knownUser({ status, account_kit_id, created_at, opening_budget }: KnownRow): KnownUser {
  const terms = opening_budget === null ? null : (JSON.parse(opening_budget) as OpeningBudget);
  const openingBudget = terms && { limit: terms.limit_micro_usd, period: terms.period };
  return { status, accountKitId: account_kit_id, createdAt: created_at, openingBudget };
}
