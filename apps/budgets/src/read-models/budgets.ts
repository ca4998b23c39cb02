import { Inject, Injectable } from '@nestjs/common';
import { type Clock, formatUsd, type MicroUsd, streamName } from '#kernel';
import { CLOCK, newestFirst, type Page, type PageQuery, ReadModels } from '#platform';
import { Sealer } from '#privacy';
import type { ReadDatabase } from '#projections';
import { type Account, monthEnd, periodStartOf, remainingOf, rolledOver } from '../domain/account.js';
import type { BudgetResource, TransactionResource } from '../http/budget.dto.js';
import { BUDGETS } from './budgets.projection.js';
import type { BudgetRow, BudgetTables, TransactionRow } from './tables.js';

/** Reads budgets; each look-up is keyed by (tenant, user). */
@Injectable()
export class Budgets {
  private readonly database: ReadDatabase;

  constructor(
    readModels: ReadModels,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly sealer: Sealer,
  ) {
    this.database = readModels.databaseOf(BUDGETS);
  }

  async get(tenantId: string, userId: string): Promise<BudgetResource | undefined> {
    const row = await this.find(tenantId, userId);
    if (!row) return undefined;
    const held_micro_usd = row.held_micro_usd - (await this.expiredOf(row));
    return this.resource(userId, { ...row, held_micro_usd });
  }

  /** Whether time has done something to a budget that is not on record; undefined without a budget. */
  async isDue(tenantId: string, userId: string): Promise<boolean | undefined> {
    const row = await this.find(tenantId, userId);
    if (!row) return undefined;
    const newMonth = periodStartOf(row, this.now()) > row.period_started_at;
    return newMonth || (await this.expiredOf(row)) > 0;
  }

  /** The ledger, newest first; undefined without a budget. */
  async transactions(
    tenantId: string,
    userId: string,
    query: PageQuery,
  ): Promise<Page<TransactionResource> | undefined> {
    const found = await this.find(tenantId, userId);
    if (!found) return undefined;
    const ledger = this.reader().selectFrom('budget_transactions').where('user_id', '=', userId);
    const page = await newestFirst(ledger, query, found.transaction_count);
    return { ...page, data: await Promise.all(page.data.map((row) => this.transaction(row))) };
  }

  /** An account as it is now: the new month's, once the month is over. */
  resource(userId: string, account: Account): BudgetResource {
    const current = rolledOver(account, this.now());
    const remaining = remainingOf(current);
    return {
      user_id: userId,
      limit_usd: formatUsd(current.limit_micro_usd),
      period: current.period,
      spent_usd: formatUsd(current.spent_micro_usd),
      held_usd: formatUsd(current.held_micro_usd),
      remaining_usd: formatUsd(remaining),
      period_started_at: current.period_started_at,
      period_ends_at: current.period === 'monthly' ? monthEnd(current.period_started_at) : null,
      status: remaining > 0 ? 'active' : 'exhausted',
    };
  }

  private async transaction(row: TransactionRow): Promise<TransactionResource> {
    const { id, type, at } = row;
    const stream = streamName('budget', row.user_id);
    const personal = row.personal && (await this.sealer.openOrNull(row.personal, stream, { name: id }));
    return {
      id,
      type,
      amount_usd: formatUsd(row.amount_micro_usd),
      balance_usd: formatUsd(row.balance_micro_usd),
      // Null too where it can't be read, and where the key was destroyed a moment before the row is gone.
      description: personal ? (personal.description as string) : null,
      at,
    };
  }

  /** What is still held of the budget by holds that have expired. */
  private async expiredOf({ user_id, held_micro_usd }: BudgetRow): Promise<MicroUsd> {
    if (held_micro_usd === 0) return 0;
    const { expired } = await this.reader()
      .selectFrom('budget_holds')
      .select((row) => row.fn.sum<number | null>('amount_micro_usd').as('expired'))
      .where('user_id', '=', user_id)
      .where('status', '=', 'held')
      .where('expires_at', '<=', this.now())
      .executeTakeFirstOrThrow();
    return Number(expired ?? 0);
  }

  private find(tenantId: string, userId: string): Promise<BudgetRow | undefined> {
    return this.reader()
      .selectFrom('budgets')
      .selectAll()
      .where('user_id', '=', userId)
      .where('tenant_id', '=', tenantId)
      .executeTakeFirst();
  }

  private now(): string {
    return this.clock.now().toISOString();
  }

  private reader() {
    return this.database.reader<BudgetTables>();
  }
}
