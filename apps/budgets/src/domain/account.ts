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
  /** Credits, less what earlier periods used of them. */
  credited_micro_usd: MicroUsd;
  /** Set aside for spends to come. */
  held_micro_usd: MicroUsd;
}

/** The balance of the ledger; below zero where the limit was lowered below what is spent and held. */
export const balanceOf = (account: Account): MicroUsd =>
  account.limit_micro_usd + account.credited_micro_usd - account.spent_micro_usd - account.held_micro_usd;

/** What may still be spent. */
export const remainingOf = (account: Account): MicroUsd => Math.max(0, balanceOf(account));

/** What the period's spends used of the credits, which are touched only where the limit does not reach. */
export const creditUsedOf = ({ spent_micro_usd, limit_micro_usd, credited_micro_usd }: Account): MicroUsd =>
  Math.min(Math.max(0, spent_micro_usd - limit_micro_usd), credited_micro_usd);

/** The start of the period that a time is in. It never goes back. */
export function periodStartOf({ period, period_started_at }: Account, at: string): string {
  const month = monthStart(at);
  return period === 'monthly' && month > period_started_at ? month : period_started_at;
}

/** The account as of a time: with a new month, what was spent before no longer counts; holds and credits stay. */
export function rolledOver<Rolled extends Account>(account: Rolled, at: string): Rolled {
  const started = periodStartOf(account, at);
  if (started === account.period_started_at) return account;
  const credited = account.credited_micro_usd - creditUsedOf(account);
  return { ...account, spent_micro_usd: 0, credited_micro_usd: credited, period_started_at: started };
}

/** The first instant of the calendar month in UTC. */
export const monthStart = (at: string): string => `${at.slice(0, 7)}-01T00:00:00.000Z`;

/** The first instant of the next calendar month in UTC. */
export function monthEnd(at: string): string {
  const start = new Date(monthStart(at));
  start.setUTCMonth(start.getUTCMonth() + 1);
  return start.toISOString();
}
