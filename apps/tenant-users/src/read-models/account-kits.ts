import { Inject, Injectable } from '@nestjs/common';
import { formatUsd } from '#kernel';
import { decodeCursor, type Page, type PageQuery, pageOf, READ_DATABASE } from '#platform';
import type { ReadDatabase } from '#projections';
import type { KitPolicy } from '../domain/account-kit.js';
import type { AccountKitResource } from '../http/account-kit.dto.js';
import type { AccessTables } from './tables.js';

/** Reads account kits; each look-up is keyed by (platform, id). */
@Injectable()
export class AccountKits {
  constructor(@Inject(READ_DATABASE) private readonly database: ReadDatabase) {}

  async get(platformId: string, id: string): Promise<AccountKitResource | undefined> {
    const row = await this.kitsOf(platformId).selectAll().where('id', '=', id).executeTakeFirst();
    return row && resource(row);
  }

  /** Newest first. */
  async list(platformId: string, { limit, cursor }: PageQuery): Promise<Page<AccountKitResource>> {
    const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : decodeCursor(cursor);
    const found = await this.kitsOf(platformId)
      .selectAll()
      .where('sequence', '<', before)
      .orderBy('sequence', 'desc')
      .limit(limit + 1)
      .execute();
    const { total } = await this.kitsOf(platformId)
      .select((row) => row.fn.countAll<number>().as('total'))
      .executeTakeFirstOrThrow();
    const { rows, next } = pageOf(found, limit);
    return { data: rows.map(resource), next_cursor: next, total: Number(total) };
  }

  private kitsOf(platformId: string) {
    return this.database
      .reader<AccessTables>()
      .selectFrom('account_kits')
      .where('platform_id', '=', platformId);
  }
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
