import { Injectable } from '@nestjs/common';
import type { Kysely } from 'kysely';
import { type RecordedEvent, streamId } from '#kernel';
import type { CreateIndex, Projection } from '#projections';
import type { BudgetEvent, BudgetOpened, Entry } from '../domain/budget.js';
import type { BudgetTables, TransactionType } from './tables.js';

export const BUDGETS = 'budgets';

const TRANSACTION_TYPE: Record<Exclude<BudgetEvent['type'], 'budget.closed.v1'>, TransactionType> = {
  'budget.opened.v1': 'opening',
  'budget.limit-changed.v1': 'limit_change',
  'budget.period-reset.v1': 'period_reset',
  'budget.spent.v1': 'spend',
};

type LaterEvent = Exclude<BudgetEvent, { type: 'budget.opened.v1' | 'budget.closed.v1' }>;

/** The open budgets and their ledgers; both go when the budget closes. */
@Injectable()
export class BudgetsProjection implements Projection<BudgetTables> {
  readonly name = BUDGETS;
  readonly version = 1;
  readonly categories = ['budget'];
  readonly tables = ['budgets', 'budget_transactions'] as const;

  async createTables({ schema }: Kysely<BudgetTables>, _createIndex: CreateIndex): Promise<void> {
    await schema
      .createTable('budgets')
      .addColumn('user_id', 'text', (column) => column.primaryKey())
      .addColumn('tenant_id', 'text', (column) => column.notNull())
      .addColumn('limit_micro_usd', 'bigint', (column) => column.notNull())
      .addColumn('period', 'text', (column) => column.notNull())
      .addColumn('period_started_at', 'text', (column) => column.notNull())
      .addColumn('spent_micro_usd', 'bigint', (column) => column.notNull())
      .addColumn('held_micro_usd', 'bigint', (column) => column.notNull())
      .addColumn('transaction_count', 'bigint', (column) => column.notNull())
      .execute();
    await schema
      .createTable('budget_transactions')
      .addColumn('user_id', 'text', (column) => column.notNull())
      .addColumn('sequence', 'bigint', (column) => column.notNull())
      .addColumn('id', 'text', (column) => column.notNull())
      .addColumn('type', 'text', (column) => column.notNull())
      .addColumn('amount_micro_usd', 'bigint', (column) => column.notNull())
      .addColumn('balance_micro_usd', 'bigint', (column) => column.notNull())
      .addColumn('personal', 'text')
      .addColumn('at', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('budget_transactions_key', ['user_id', 'sequence'])
      .execute();
  }

  async apply(transaction: Kysely<BudgetTables>, event: RecordedEvent): Promise<void> {
    const userId = streamId(event.stream);
    const said = event as unknown as BudgetEvent;
    if (said.type === 'budget.closed.v1') {
      await transaction.deleteFrom('budgets').where('user_id', '=', userId).execute();
      await transaction.deleteFrom('budget_transactions').where('user_id', '=', userId).execute();
      return;
    }
    const type = TRANSACTION_TYPE[said.type];
    if (!type) throw new Error(`${event.type} is not known to ${this.name}`);
    if (said.type === 'budget.opened.v1') await open(transaction, userId, said.data);
    else await change(transaction, userId, said);
    await record(transaction, event, type);
  }
}

async function open(
  transaction: Kysely<BudgetTables>,
  userId: string,
  data: BudgetOpened['data'],
): Promise<void> {
  const { tenant_id, limit_micro_usd, period, period_started_at } = data;
  const terms = { limit_micro_usd, period, period_started_at };
  const counts = { spent_micro_usd: 0, held_micro_usd: 0, transaction_count: 1 };
  await transaction
    .insertInto('budgets')
    .values({ user_id: userId, tenant_id, ...terms, ...counts })
    .execute();
}

async function change(
  transaction: Kysely<BudgetTables>,
  userId: string,
  { type, data }: LaterEvent,
): Promise<void> {
  let update = transaction
    .updateTable('budgets')
    .set((row) => ({ transaction_count: row('transaction_count', '+', 1) }))
    .where('user_id', '=', userId);
  if (type === 'budget.spent.v1') {
    update = update.set((row) => ({ spent_micro_usd: row('spent_micro_usd', '-', data.amount_micro_usd) }));
  } else if (type === 'budget.period-reset.v1') {
    update = update.set({ spent_micro_usd: 0, period_started_at: data.at });
  } else {
    const { limit_micro_usd, period, period_started_at } = data;
    update = update.set({ limit_micro_usd, period, period_started_at });
  }
  await update.execute();
}

/** A row has the id that its caller was told, or else the event's. Its description arrives sealed. */
async function record(
  transaction: Kysely<BudgetTables>,
  { id, stream, position, data: said }: RecordedEvent,
  type: TransactionType,
): Promise<void> {
  const data = said as unknown as Entry & { transaction_id?: string; personal?: string };
  await transaction
    .insertInto('budget_transactions')
    .values({
      user_id: streamId(stream),
      sequence: Number(position),
      id: data.transaction_id ?? id,
      type,
      amount_micro_usd: data.amount_micro_usd,
      balance_micro_usd: data.balance_after_micro_usd,
      personal: data.personal ?? null,
      at: data.at,
    })
    .execute();
}
