import type { DomainEvent, MicroUsd } from '#kernel';
import type { Account, Period } from './account.js';

interface Scope {
  platform_id: string;
  tenant_id: string;
}

/** Each event is one row of the ledger: the amounts of all rows up to one add up to the balance after it. */
export interface Entry extends Scope {
  /** Signed: what it adds to the balance. */
  amount_micro_usd: MicroUsd;
  balance_after_micro_usd: MicroUsd;
  at: string;
}

type Terms = Pick<Account, 'limit_micro_usd' | 'period' | 'period_started_at'>;

/** What a budget let go of when its user was deleted. */
export type Removed = { budgets: 0 | 1 };

export type BudgetOpened = DomainEvent<'budget.opened.v1', Entry & Terms & { subject_key: string }>;

/** The terms as they are from now on; the amount is 0 where only the period changed. */
export type BudgetLimitChanged = DomainEvent<'budget.limit-changed.v1', Entry & Terms>;

/** `at` is the start of the new period. */
export type BudgetPeriodReset = DomainEvent<'budget.period-reset.v1', Entry>;

export type BudgetSpent = DomainEvent<
  'budget.spent.v1',
  Entry & {
    transaction_id: string;
    /** These two only where there is a description. */
    subject_key?: string;
    personal?: { description: string } | null;
  }
>;

/** The last event. `subject_key` is null where there was no budget. */
export type BudgetClosed = DomainEvent<
  'budget.closed.v1',
  Entry & { subject_key: string | null; removed: Removed }
>;

export type BudgetEvent = BudgetOpened | BudgetLimitChanged | BudgetPeriodReset | BudgetSpent | BudgetClosed;

export interface OpenBudget extends Scope, Account {
  lifecycle: 'open';
  subject_key: string;
}

export interface ClosedBudget extends Scope {
  lifecycle: 'closed';
  subject_key: string | null;
  removed: Removed;
  closed_at: string;
}

/** It does not grow with the ledger. */
export type BudgetState = { lifecycle: 'absent' } | OpenBudget | ClosedBudget;

export interface SetBudgetLimit extends Scope {
  kind: 'set';
  limit_micro_usd: MicroUsd;
  period: Period;
  /** A fresh key, used only if this opens the budget. */
  subject_key: string;
  at: string;
}

export interface SpendBudget {
  kind: 'spend';
  tenant_id: string;
  transaction_id: string;
  amount_micro_usd: MicroUsd;
  description: string | null;
  at: string;
}

export interface CloseBudget extends Scope {
  kind: 'close';
  at: string;
}

export type BudgetCommand = SetBudgetLimit | SpendBudget | CloseBudget;
