import type { MicroUsd } from '#kernel';
import type { Account } from '../domain/account.js';

export const TRANSACTION_TYPES = [
  'opening',
  'limit_change',
  'credit',
  'spend',
  'hold',
  'settle',
  'release',
  'period_reset',
  'closing',
] as const;

export type TransactionType = (typeof TRANSACTION_TYPES)[number];

/** The account as of its last event; whoever reads it rolls it over to the time of the reading. */
export interface BudgetRow extends Account {
  user_id: string;
  tenant_id: string;
  transaction_count: number;
}

export interface TransactionRow {
  user_id: string;
  /** The position of the event: the order of the list. */
  sequence: number;
  id: string;
  type: TransactionType;
  /** Signed. */
  amount_micro_usd: MicroUsd;
  balance_micro_usd: MicroUsd;
  /** Sealed under the budget's own key; null where there is no description. */
  personal: string | null;
  at: string;
}

export interface BudgetTables {
  budgets: BudgetRow;
  budget_transactions: TransactionRow;
}
