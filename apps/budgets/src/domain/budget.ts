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

/** Both only where there is a description. */
export interface Described {
  subject_key?: string;
  personal?: { description: string } | null;
}

/** What a budget let go of when its user was deleted. */
export type Removed = { budgets: 0 | 1 };

export type BudgetOpened = DomainEvent<'budget.opened.v1', Entry & Terms & { subject_key: string }>;

/** The terms as they are from now on; the amount is 0 where only the period changed. */
export type BudgetLimitChanged = DomainEvent<'budget.limit-changed.v1', Entry & Terms>;

/** `at` is the start of the new period. What the old one used of the credits is left out where it is none. */
export type BudgetPeriodReset = DomainEvent<
  'budget.period-reset.v1',
  Entry & { credit_used_micro_usd?: MicroUsd }
>;

export type BudgetSpent = DomainEvent<'budget.spent.v1', Entry & Described & { transaction_id: string }>;

export type BudgetCredited = DomainEvent<
  'budget.credited.v1',
  Entry & Described & { transaction_id: string }
>;

export type BudgetHeld = DomainEvent<
  'budget.held.v1',
  /** The transaction has the id of the hold; absent in events that were stored before it was said. */
  Entry & Described & { transaction_id?: string; hold_id: string; expires_at: string }
>;

/** Its amount is what was held less what is spent in its place. */
export type BudgetHoldSettled = DomainEvent<
  'budget.hold-settled.v1',
  Entry & Described & { transaction_id: string; hold_id: string; settled_micro_usd: MicroUsd }
>;

/** `at` is the hold's expiry where that is why. */
export type BudgetHoldReleased = DomainEvent<
  'budget.hold-released.v1',
  Entry & Described & { hold_id: string; reason: 'released' | 'expired' }
>;

/** The last event. `subject_key` is null where there was no budget. */
export type BudgetClosed = DomainEvent<
  'budget.closed.v1',
  Entry & { subject_key: string | null; removed: Removed }
>;

/** What happens to a budget while it is open. */
export type BudgetChange =
  | BudgetLimitChanged
  | BudgetPeriodReset
  | BudgetSpent
  | BudgetCredited
  | BudgetHeld
  | BudgetHoldSettled
  | BudgetHoldReleased;

export type BudgetEvent = BudgetOpened | BudgetChange | BudgetClosed;

export interface Hold {
  hold_id: string;
  amount_micro_usd: MicroUsd;
  expires_at: string;
  description: string | null;
}

export interface OpenBudget extends Scope, Account {
  lifecycle: 'open';
  subject_key: string;
  /** Those neither settled nor released, by id. */
  holds: ReadonlyMap<string, Hold>;
}

export interface ClosedBudget extends Scope {
  lifecycle: 'closed';
  subject_key: string | null;
  removed: Removed;
  closed_at: string;
}

/** It does not grow with the ledger. */
export type BudgetState = { lifecycle: 'absent' } | OpenBudget | ClosedBudget;

/** The budget that a user has from the start. */
export interface Opening extends Scope {
  limit_micro_usd: MicroUsd;
  period: Period;
  /** A fresh key, used only if this opens the budget. */
  subject_key: string;
  /** When the user was made. */
  at: string;
}

interface Given {
  tenant_id: string;
  /** Where the budget is not open yet, it opens with this first. */
  opening?: Opening;
  at: string;
}

/** Opens a budget where there is none. */
export interface SetBudgetLimit extends Scope, Given {
  kind: 'set';
  limit_micro_usd: MicroUsd;
  period: Period;
  /** A fresh key, used only if this opens the budget. */
  subject_key: string;
}

interface Transfer extends Given {
  transaction_id: string;
  amount_micro_usd: MicroUsd;
  description: string | null;
}

export interface SpendBudget extends Transfer {
  kind: 'spend';
}

export interface CreditBudget extends Transfer {
  kind: 'credit';
}

export interface HoldBudget extends Given {
  kind: 'hold';
  hold_id: string;
  amount_micro_usd: MicroUsd;
  description: string | null;
  expires_in_seconds: number;
}

export interface SettleHold extends Given {
  kind: 'settle';
  transaction_id: string;
  hold_id: string;
  /** 0 spends nothing. */
  amount_micro_usd: MicroUsd;
}

export interface ReleaseHold extends Given {
  kind: 'release';
  hold_id: string;
}

/** Records what is due by then: the opening, holds that have expired, a new month. */
export interface BringUpToDate extends Given {
  kind: 'bring-up-to-date';
}

export interface CloseBudget extends Scope {
  kind: 'close';
  at: string;
}

/** What may be asked of a budget that is open. */
export type ChangeCommand =
  | SetBudgetLimit
  | SpendBudget
  | CreditBudget
  | HoldBudget
  | SettleHold
  | ReleaseHold
  | BringUpToDate;

export type BudgetCommand = ChangeCommand | CloseBudget;
