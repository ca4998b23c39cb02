import { Injectable } from '@nestjs/common';
import { Aggregates } from '#event-store';
import { formatUsd, streamName } from '#kernel';
import {
  AccountKitDirectory,
  type BudgetTerms,
  type KitTerms,
  LogAnswers,
  newestFirst,
  type Page,
  type PageQuery,
  ProjectionCache,
  ReadModels,
} from '#platform';
import type { ReadDatabase } from '#projections';
import { accountKit, type KitPolicy, startingBudget } from '../domain/account-kit.js';
import { platform } from '../domain/platform.js';
import type { AccountKitResource } from '../http/account-kit.dto.js';
import { ACCESS, AccessProjection } from './access.projection.js';
import type { AccessTables } from './tables.js';

/** What a user is given who is made now. */
export interface StartingTerms extends KitTerms {
  /** The kit's, or else the platform's default; null for none. */
  budget: BudgetTerms | null;
  role: string;
}

/** Reads account kits; each look-up is keyed by (platform, id). */
@Injectable()
export class AccountKits extends AccountKitDirectory {
  /** Creates of users and uses of what a kit governs ask for one each time. */
  private readonly terms: ProjectionCache<StartingTerms>;
  private readonly projection = new AccessProjection();

  private readonly database: ReadDatabase;

  constructor(
    readModels: ReadModels,
    private readonly aggregates: Aggregates,
    private readonly log: LogAnswers,
  ) {
    super();
    this.database = readModels.databaseOf(ACCESS);
    this.terms = new ProjectionCache([readModels.changesOf(ACCESS)]);
  }

  find(platformId: string, id: string): Promise<StartingTerms | undefined> {
    const inReadModels = () => this.terms.get(`${platformId}:${id}`, () => this.read(platformId, id));
    return this.log.lookUp([ACCESS], inReadModels, () => this.recall(platformId, id));
  }

  private async recall(platformId: string, id: string): Promise<StartingTerms | undefined> {
    const { state: kit } = await this.aggregates.load(accountKit, id);
    const { state: owner } = await this.aggregates.load(platform, platformId);
    if (kit.lifecycle === 'absent' || kit.lifecycle === 'deleted') return undefined;
    if (kit.platform_id !== platformId || owner.lifecycle !== 'alive') return undefined;
    const { default_budget_micro_usd, default_role: role } = owner.settings;
    return { ...terms(kit, default_budget_micro_usd), role };
  }

  private async read(platformId: string, id: string): Promise<StartingTerms | undefined> {
    const row = await this.kitsOf(platformId)
      .innerJoin('platforms', 'platforms.id', 'account_kits.platform_id')
      .select(['policy', 'default_budget_micro_usd', 'default_role'])
      .where('account_kits.id', '=', id)
      .executeTakeFirst();
    return (
      row && {
        ...terms(JSON.parse(row.policy) as KitPolicy, row.default_budget_micro_usd),
        role: row.default_role,
      }
    );
  }

  async get(
    platformId: string,
    id: string,
    database = this.database,
  ): Promise<AccountKitResource | undefined> {
    const row = await this.kitsOf(platformId, database).selectAll().where('id', '=', id).executeTakeFirst();
    return row && resource(row);
  }

  /** As the log has it. */
  latest(platformId: string, id: string): Promise<AccountKitResource | undefined> {
    const streams = [streamName('accountKit', id)];
    return this.log.replay(this.projection, streams, (database) => this.get(platformId, id, database));
  }

  /** Newest first. */
  async list(platformId: string, query: PageQuery): Promise<Page<AccountKitResource>> {
    const page = await newestFirst(this.kitsOf(platformId), query);
    return { ...page, data: page.data.map(resource) };
  }

  private kitsOf(platformId: string, database = this.database) {
    return database
      .reader<AccessTables>()
      .selectFrom('account_kits')
      .where('account_kits.platform_id', '=', platformId);
  }
}

function terms(policy: KitPolicy, platformDefault: number | null): Omit<StartingTerms, 'role'> {
  const rateLimits = Object.entries(policy.rate_limits).map(
    ([name, { limit, window_seconds }]) => [name, { limit, windowSeconds: window_seconds }] as const,
  );
  return {
    keyScopes: policy.key_scopes,
    rateLimits: Object.fromEntries(rateLimits),
    allowedProviders: policy.allowed_providers,
    budget: startingBudget(policy, platformDefault),
  };
}

function resource(row: AccessTables['account_kits']): AccountKitResource {
  const { id, name, created_at, updated_at } = row;
  const { budget_micro_usd: budget, ...policy } = JSON.parse(row.policy) as KitPolicy;
  return {
    id,
    name,
    is_default: row.is_default === 1,
    budget_usd: budget === null ? null : formatUsd(budget),
    ...policy,
    created_at,
    updated_at,
  };
}
