import { Injectable } from '@nestjs/common';
import type { Kysely } from 'kysely';
import { Aggregates } from '#event-store';
import { AccountKitDirectory, LogAnswers, ProjectionCache, ReadModels } from '#platform';
import { prepareQuery, type ReadDatabase, type SlotOf } from '#projections';
import { type RateLimit, rateLimits } from '../domain/rate-limits.js';
import type { RateLimitResource } from '../http/rate-limit.dto.js';
import { BUDGETS } from './budgets.projection.js';
import type { BudgetTables } from './tables.js';

/** Whose rate limits they are. */
export interface LimitedUser {
  platformId: string;
  tenantId: string;
  userId: string;
  accountKitId: string;
}

type OfUser = Pick<LimitedUser, 'tenantId' | 'userId'>;

const findOverride = (database: ReadDatabase) =>
  prepareQuery(database, (db: Kysely<BudgetTables>, slot: SlotOf<OfUser & { name: string }>) =>
    db
      .selectFrom('rate_limit_overrides')
      .select(['rate_limit as limit', 'window_seconds'])
      .where('user_id', '=', slot('userId'))
      .where('name', '=', slot('name'))
      .where('tenant_id', '=', slot('tenantId')),
  );

/** The rate limits that hold for a user: the kit's, less those that are overridden. */
@Injectable()
export class RateLimits {
  private readonly findOverride: ReturnType<typeof findOverride>;
  private readonly database: ReadDatabase;
  /** Metering asks for one each time. */
  private readonly overrides: ProjectionCache<{ override: RateLimit | undefined }>;

  constructor(
    readModels: ReadModels,
    private readonly kits: AccountKitDirectory,
    private readonly aggregates: Aggregates,
    private readonly log: LogAnswers,
  ) {
    this.database = readModels.databaseOf(BUDGETS);
    this.findOverride = findOverride(this.database);
    this.overrides = new ProjectionCache([readModels.changesOf(BUDGETS)]);
  }

  async find(user: LimitedUser, name: string): Promise<RateLimit | undefined> {
    const { override } = await this.log.lookUp(
      [BUDGETS],
      () =>
        this.overrides.get(`${user.tenantId}:${user.userId}:${name}`, () => this.readOverride(user, name)),
      async () => ({ override: await this.recallOverride(user, name) }),
    );
    if (override) return override;
    const ofKit = await this.ofKit(user);
    const rate = Object.hasOwn(ofKit, name) ? ofKit[name] : undefined;
    return rate && { limit: rate.limit, window_seconds: rate.windowSeconds };
  }

  private async readOverride({ tenantId, userId }: OfUser, name: string) {
    return { override: (await this.findOverride({ tenantId, userId, name }))[0] };
  }

  private async recallOverride({ tenantId, userId }: OfUser, name: string): Promise<RateLimit | undefined> {
    const { state } = await this.aggregates.load(rateLimits, userId);
    if (state.lifecycle !== 'open' || state.tenant_id !== tenantId) return undefined;
    return state.overrides.get(name);
  }

  /** By name. */
  async list(user: LimitedUser): Promise<RateLimitResource[]> {
    const overrides = await this.database
      .reader<BudgetTables>()
      .selectFrom('rate_limit_overrides')
      .select(['name', 'rate_limit as limit', 'window_seconds'])
      .where('user_id', '=', user.userId)
      .where('tenant_id', '=', user.tenantId)
      .execute();
    const found = new Map<string, RateLimitResource>();
    for (const [name, { limit, windowSeconds }] of Object.entries(await this.ofKit(user))) {
      found.set(name, { name, limit, window_seconds: windowSeconds, source: 'kit' });
    }
    for (const override of overrides) found.set(override.name, { ...override, source: 'override' });
    return [...found.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  private async ofKit({ platformId, accountKitId }: LimitedUser) {
    return (await this.kits.find(platformId, accountKitId))?.rateLimits ?? {};
  }
}
