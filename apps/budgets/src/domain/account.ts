import type { MicroUsd } from '#kernel';

export const PERIODS = ['monthly', 'none'] as const;
export type Period = (typeof PERIODS)[number];

/** Where a budget stands. Times are RFC 3339 UTC with milliseconds, so that they compare as text. */
export interface Account {
  limit_micro_usd: MicroUsd;
  period: Period;
  /** What is spent counts from here: the month's first instant, or the opening where there is no period. */
  period_started_at: string;
  spent_micro_usd: MicroUsd;
  /** Set aside for spends to come. */
  held_micro_usd: MicroUsd;
}

/** The balance of the ledger; below zero where the limit was lowered below what is spent. */
export const balanceOf = (account: Account): MicroUsd =>
  account.limit_micro_usd - account.spent_micro_usd - account.held_micro_usd;

/** What may still be spent. */
export const remainingOf = (account: Account): MicroUsd => Math.max(0, balanceOf(account));

/** The account as of a time: with a new month, what was spent before no longer counts. It never goes back. */
export function rolledOver<Rolled extends Account>(account: Rolled, at: string): Rolled {
  const started = monthStart(at);
  if (account.period === 'none' || started <= account.period_started_at) return account;
  return { ...account, spent_micro_usd: 0, period_started_at: started };
}

/** The first instant of the calendar month in UTC. */
export const monthStart = (at: string): string => `${at.slice(0, 7)}-01T00:00:00.000Z`;

/** The first instant of the next calendar month in UTC. */
export function monthEnd(at: string): string {
  const start = new Date(monthStart(at));
  start.setUTCMonth(start.getUTCMonth() + 1);
  return start.toISOString();
}
