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

/** The account as of its last event; whoever reads it brings it forward to the time of the reading. */
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

export interface HoldRow {
  id: string;
  user_id: string;
  tenant_id: string;
  amount_micro_usd: MicroUsd;
  /** On its own it does not end a hold: the status does, once that is on record. */
  expires_at: string;
  status: 'held' | 'settled' | 'released' | 'expired';
}

/** A rate limit that holds for a user in place of the kit's. */
export interface OverrideRow {
  user_id: string;
  name: string;
  tenant_id: string;
  rate_limit: number;
  window_seconds: number;
}

export interface BudgetTables {
  budgets: BudgetRow;
  budget_transactions: TransactionRow;
  budget_holds: HoldRow;
  rate_limit_overrides: OverrideRow;
}
