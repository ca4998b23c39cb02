import type { MicroUsd } from '#kernel';
import { type Account, balanceOf, creditUsedOf, periodStartOf } from './account.js';
import { changed } from './budget.evolve.js';
import type {
  BudgetChange,
  BudgetHoldReleased,
  BudgetPeriodReset,
  Described,
  Entry,
  Hold,
  OpenBudget,
} from './budget.js';

/**
 * What has happened to a budget by itself up to a time and is not on record yet, in the order in which it
 * happened: holds that expired, and one reset where a new month has begun. A clock that goes back undoes nothing.
 */
export function passageOfTime(state: OpenBudget, at: string): BudgetChange[] {
  const started = periodStartOf(state, at);
  const expired = [...state.holds.values()]
    .filter(({ expires_at }) => expires_at <= at)
    .sort((one, other) => Date.parse(one.expires_at) - Date.parse(other.expires_at));
  const events: BudgetChange[] = [];
  let current = state;
  const happened = (event: BudgetChange) => {
    events.push(event);
    current = changed(current, event);
  };
  const expire = (hold: Hold) => happened(released(current, hold, 'expired', hold.expires_at));
  for (const hold of expired.filter(({ expires_at }) => expires_at <= started)) expire(hold);
  if (started > state.period_started_at) happened(reset(current, started));
  for (const hold of expired.filter(({ expires_at }) => expires_at > started)) expire(hold);
  return events;
}

/** The account as a reader sees it at a time, with all that has happened by itself. */
export const asOf = (state: OpenBudget, at: string): Account =>
  passageOfTime(state, at).reduce(changed, state);

export const expiryOf = (at: string, seconds: number): string =>
  new Date(Date.parse(at) + seconds * 1_000).toISOString();

export function released(
  state: OpenBudget,
  hold: Hold,
  reason: BudgetHoldReleased['data']['reason'],
  at: string,
): BudgetHoldReleased {
  const { hold_id, amount_micro_usd, description } = hold;
  const data = { ...entry(state, amount_micro_usd, at), hold_id, reason, ...described(state, description) };
  return { type: 'budget.hold-released.v1', data };
}

function reset(state: OpenBudget, started: string): BudgetPeriodReset {
  const used = creditUsedOf(state);
  const row = entry(state, state.spent_micro_usd - used, started);
  return {
    type: 'budget.period-reset.v1',
    data: { ...row, ...(used > 0 && { credit_used_micro_usd: used }) },
  };
}

/** A row of the ledger that adds `amount` to the balance. */
export const entry = (state: OpenBudget, amount: MicroUsd, at: string): Entry => ({
  platform_id: state.platform_id,
  tenant_id: state.tenant_id,
  amount_micro_usd: amount,
  balance_after_micro_usd: balanceOf(state) + amount,
  at,
});

export const described = ({ subject_key }: OpenBudget, description: string | null): Described =>
  description === null ? {} : { subject_key, personal: { description } };
