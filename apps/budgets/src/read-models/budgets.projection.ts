import type { Kysely } from 'kysely';
import { categoryOf, type MicroUsd, type RecordedEvent, streamId } from '#kernel';
import { type CreateIndex, type Projection, prepareStatement, type SlotOf } from '#worker/projections';
import type { BudgetChange, BudgetEvent, BudgetOpened, Entry } from '../domain/budget.js';
import type { RateLimitsEvent } from '../domain/rate-limits.js';
import { createBudgetTables } from './budgets.tables.js';
import type { BudgetRow, BudgetTables, HoldRow, TransactionRow, TransactionType } from './tables.js';

export const BUDGETS = 'budgets';

const TRANSACTION_TYPE: Record<Exclude<BudgetEvent['type'], 'budget.closed.v1'>, TransactionType> = {
  'budget.opened.v1': 'opening',
  'budget.limit-changed.v1': 'limit_change',
  'budget.period-reset.v1': 'period_reset',
  'budget.spent.v1': 'spend',
  'budget.credited.v1': 'credit',
  'budget.held.v1': 'hold',
  'budget.hold-settled.v1': 'settle',
  'budget.hold-released.v1': 'release',
};

type Transaction = Kysely<BudgetTables>;

/** The open budgets with their ledgers and holds, and the rate limits of users; they go when their stream closes. */
export class BudgetsProjection implements Projection<BudgetTables> {
  readonly name = BUDGETS;
  readonly version = 2;
  readonly categories = ['budget', 'rateLimits'];
  readonly tables = ['budgets', 'budget_transactions', 'budget_holds', 'rate_limit_overrides'] as const;

  createTables({ schema }: Transaction, createIndex: CreateIndex): Promise<void> {
    return createBudgetTables(schema, createIndex);
  }

  async apply(transaction: Transaction, event: RecordedEvent): Promise<void> {
    const userId = streamId(event.stream);
    if (categoryOf(event.stream) === 'rateLimits') {
      return applyRateLimits(transaction, userId, event as unknown as RateLimitsEvent);
    }
    const said = event as unknown as BudgetEvent;
    if (said.type === 'budget.closed.v1') return close(transaction, userId);
    const type = TRANSACTION_TYPE[said.type];
    if (!type) throw new Error(`${event.type} is not known to ${this.name}`);
    if (said.type === 'budget.opened.v1') await open(transaction, userId, said.data);
    else await change(transaction, userId, said);
    await insertTransaction(transaction, transactionOf(event, userId, type));
  }
}

async function open(transaction: Transaction, userId: string, data: BudgetOpened['data']): Promise<void> {
  const { tenant_id, limit_micro_usd, period, period_started_at } = data;
  const terms = { limit_micro_usd, period, period_started_at };
  const nothingYet = { spent_micro_usd: 0, credited_micro_usd: 0, held_micro_usd: 0, transaction_count: 1 };
  await insertBudget(transaction, { user_id: userId, tenant_id, ...terms, ...nothingYet });
}

async function change(transaction: Transaction, userId: string, event: BudgetChange): Promise<void> {
  await moveAccount(transaction, { userId, ...movesOf(event) });
  switch (event.type) {
    case 'budget.limit-changed.v1': {
      const { limit_micro_usd, period, period_started_at } = event.data;
      const terms = { limit_micro_usd, period, period_started_at };
      await transaction.updateTable('budgets').set(terms).where('user_id', '=', userId).execute();
      return;
    }
    case 'budget.period-reset.v1': {
      const started = { period_started_at: event.data.at };
      await transaction.updateTable('budgets').set(started).where('user_id', '=', userId).execute();
      return;
    }
    case 'budget.held.v1': {
      const { hold_id: id, tenant_id, amount_micro_usd, expires_at } = event.data;
      const terms = { amount_micro_usd: 0 - amount_micro_usd, expires_at, status: 'held' as const };
      await insertHold(transaction, { id, user_id: userId, tenant_id, ...terms });
      return;
    }
    case 'budget.hold-settled.v1':
      await endHold(transaction, { id: event.data.hold_id, status: 'settled' });
      return;
    case 'budget.hold-released.v1':
      await endHold(transaction, { id: event.data.hold_id, status: event.data.reason });
      return;
  }
}

interface Moves {
  spent: MicroUsd;
  credited: MicroUsd;
  held: MicroUsd;
}

/** What an event adds to each part of the account. */
function movesOf({ type, data }: BudgetChange): Moves {
  const { amount_micro_usd: amount } = data;
  const none: Moves = { spent: 0, credited: 0, held: 0 };
  switch (type) {
    case 'budget.limit-changed.v1':
      return none;
    case 'budget.period-reset.v1': {
      const { credit_used_micro_usd: used = 0 } = data;
      return { ...none, spent: 0 - amount - used, credited: 0 - used };
    }
    case 'budget.spent.v1':
      return { ...none, spent: 0 - amount };
    case 'budget.credited.v1':
      return { ...none, credited: amount };
    case 'budget.held.v1':
    case 'budget.hold-released.v1':
      return { ...none, held: 0 - amount };
    case 'budget.hold-settled.v1':
      return { ...none, spent: data.settled_micro_usd, held: 0 - amount - data.settled_micro_usd };
  }
}

async function close(transaction: Transaction, userId: string): Promise<void> {
  for (const table of ['budgets', 'budget_transactions', 'budget_holds'] as const) {
    await transaction.deleteFrom(table).where('user_id', '=', userId).execute();
  }
}

async function applyRateLimits(
  transaction: Transaction,
  userId: string,
  { type, data }: RateLimitsEvent,
): Promise<void> {
  if (type === 'rate-limits.overridden.v1') {
    const { tenant_id, name, limit, window_seconds } = data;
    const terms = { rate_limit: limit, window_seconds };
    await transaction
      .insertInto('rate_limit_overrides')
      .values({ user_id: userId, name, tenant_id, ...terms })
      .onConflict((conflict) => conflict.columns(['user_id', 'name']).doUpdateSet(terms))
      .execute();
    return;
  }
  const ofUser = transaction.deleteFrom('rate_limit_overrides').where('user_id', '=', userId);
  if (type === 'rate-limits.closed.v1') await ofUser.execute();
  else if (type === 'rate-limits.override-removed.v1') await ofUser.where('name', '=', data.name).execute();
  else throw new Error(`${type} is not known to ${BUDGETS}`);
}

/** A row has the id that its caller was told, or else the event's. Its description arrives sealed. */
function transactionOf(event: RecordedEvent, userId: string, type: TransactionType): TransactionRow {
  const data = event.data as unknown as Entry & {
    transaction_id?: string;
    hold_id?: string;
    personal?: string;
  };
  const told = data.transaction_id ?? (type === 'hold' ? data.hold_id : undefined);
  return {
    user_id: userId,
    sequence: Number(event.position),
    id: told ?? event.id,
    type,
    amount_micro_usd: data.amount_micro_usd,
    balance_micro_usd: data.balance_after_micro_usd,
    personal: data.personal ?? null,
    at: data.at,
  };
}

const insertBudget = prepareStatement((database: Transaction, slot: SlotOf<BudgetRow>) =>
  database.insertInto('budgets').values({
    user_id: slot('user_id'),
    tenant_id: slot('tenant_id'),
    limit_micro_usd: slot('limit_micro_usd'),
    period: slot('period'),
    period_started_at: slot('period_started_at'),
    spent_micro_usd: slot('spent_micro_usd'),
    credited_micro_usd: slot('credited_micro_usd'),
    held_micro_usd: slot('held_micro_usd'),
    transaction_count: slot('transaction_count'),
  }),
);

const moveAccount = prepareStatement((database: Transaction, slot: SlotOf<Moves & { userId: string }>) =>
  database
    .updateTable('budgets')
    .set((row) => ({
      spent_micro_usd: row('spent_micro_usd', '+', slot('spent')),
      credited_micro_usd: row('credited_micro_usd', '+', slot('credited')),
      held_micro_usd: row('held_micro_usd', '+', slot('held')),
      transaction_count: row('transaction_count', '+', 1),
    }))
    .where('user_id', '=', slot('userId')),
);

const insertTransaction = prepareStatement((database: Transaction, slot: SlotOf<TransactionRow>) =>
  database.insertInto('budget_transactions').values({
    user_id: slot('user_id'),
    sequence: slot('sequence'),
    id: slot('id'),
    type: slot('type'),
    amount_micro_usd: slot('amount_micro_usd'),
    balance_micro_usd: slot('balance_micro_usd'),
    personal: slot('personal'),
    at: slot('at'),
  }),
);

const insertHold = prepareStatement((database: Transaction, slot: SlotOf<HoldRow>) =>
  database.insertInto('budget_holds').values({
    id: slot('id'),
    user_id: slot('user_id'),
    tenant_id: slot('tenant_id'),
    amount_micro_usd: slot('amount_micro_usd'),
    expires_at: slot('expires_at'),
    status: slot('status'),
  }),
);

const endHold = prepareStatement((database: Transaction, slot: SlotOf<Pick<HoldRow, 'id' | 'status'>>) =>
  database
    .updateTable('budget_holds')
    .set({ status: slot('status') })
    .where('id', '=', slot('id')),
);
