import {
  type Decider,
  illegalState,
  invalidInput,
  type MicroUsd,
  notFound,
  snapshotFormat,
  TenantryError,
} from '#kernel';
import { balanceOf, monthStart, remainingOf } from './account.js';
import { changed, evolve, openedBy } from './budget.evolve.js';
import type {
  BudgetChange,
  BudgetClosed,
  BudgetCommand,
  BudgetEvent,
  BudgetOpened,
  BudgetState,
  ChangeCommand,
  CloseBudget,
  CreditBudget,
  HoldBudget,
  OpenBudget,
  Opening,
  ReleaseHold,
  SetBudgetLimit,
  SettleHold,
  SpendBudget,
} from './budget.js';
import { described, entry, expiryOf, passageOfTime, released } from './passage-of-time.js';

/** Keeps what a command has to look through small; a hold is short-lived. */
const MAX_OPEN_HOLDS = 1_000;

/** 1,000,000,000 USD, so that no sum of a ledger comes near Number.MAX_SAFE_INTEGER. */
const MAX_CREDIT_MICRO_USD = 1e15;

/**
 * A user's budget and its ledger. The balance is the limit and the credits less what is spent and held; no spend,
 * hold or settlement takes it below zero. What happens by itself (a hold expires, a month begins) is recorded
 * before the next command that changes something; a clock that goes back undoes nothing.
 * Once closed, also before it was ever opened, it refuses everything for ever: the user is gone.
 */
export const budget: Decider<BudgetState, BudgetCommand, BudgetEvent> = {
  category: 'budget',
  initialState: { lifecycle: 'absent' },
  snapshot: snapshotFormat({
    version: 1,
    maps: ['holds'],
    subjectKey: (state) => (state.lifecycle === 'open' ? state.subject_key : null),
  }),

  decide(command, state) {
    if (state.lifecycle !== 'absent' && state.tenant_id !== command.tenant_id) throw notFound('user');
    if (command.kind === 'close') return state.lifecycle === 'closed' ? [] : [closed(command, state)];
    if (state.lifecycle === 'closed') {
      if (command.kind === 'bring-up-to-date') return [];
      throw notFound('user');
    }
    if (state.lifecycle === 'open') return change(command, state);
    const opening = command.opening ?? (command.kind === 'set' ? command : undefined);
    if (!opening) throw notFound('budget');
    const first = opened(opening);
    return [first, ...change(command, openedBy(first))];
  },

  evolve,
};

function opened({ platform_id, tenant_id, limit_micro_usd, period, subject_key, at }: Opening): BudgetOpened {
  return {
    type: 'budget.opened.v1',
    data: {
      platform_id,
      tenant_id,
      limit_micro_usd,
      period,
      subject_key,
      at,
      period_started_at: period === 'monthly' ? monthStart(at) : at,
      amount_micro_usd: limit_micro_usd,
      balance_after_micro_usd: limit_micro_usd,
    },
  };
}

function change(command: ChangeCommand, state: OpenBudget): BudgetChange[] {
  if (command.kind === 'set' && isAsItIs(command, state)) return [];
  const passed = passageOfTime(state, command.at);
  const current = passed.reduce(changed, state);
  switch (command.kind) {
    case 'set':
      return [...passed, limitChanged(command, current)];
    case 'spend':
      return [...passed, spent(command, current)];
    case 'credit':
      return [...passed, credited(command, current)];
    case 'hold':
      return [...passed, held(command, current)];
    case 'settle':
      if (!current.holds.has(command.hold_id) && state.holds.has(command.hold_id)) {
        throw illegalState('the hold has expired');
      }
      return [...passed, settled(command, current)];
    case 'release':
      // One that expired just now is let go of already.
      if (!current.holds.has(command.hold_id) && state.holds.has(command.hold_id)) return passed;
      return [...passed, released(current, holdOf(command, current), 'released', command.at)];
    case 'bring-up-to-date':
      return passed;
  }
}

const isAsItIs = ({ limit_micro_usd, period }: SetBudgetLimit, state: OpenBudget): boolean =>
  limit_micro_usd === state.limit_micro_usd && period === state.period;

/** Another period keeps what is spent, so that going to and fro gives nothing back. */
function limitChanged({ limit_micro_usd, period, at }: SetBudgetLimit, state: OpenBudget): BudgetChange {
  const since = state.period_started_at;
  const period_started_at = period === 'monthly' ? monthStart(at < since ? since : at) : since;
  const terms = { limit_micro_usd, period, period_started_at };
  const row = entry(state, limit_micro_usd - state.limit_micro_usd, at);
  return { type: 'budget.limit-changed.v1', data: { ...row, ...terms } };
}

function spent(
  { amount_micro_usd, transaction_id, description, at }: SpendBudget,
  state: OpenBudget,
): BudgetChange {
  requirePositive(amount_micro_usd);
  requireRemaining(amount_micro_usd, state);
  const row = entry(state, -amount_micro_usd, at);
  return { type: 'budget.spent.v1', data: { ...row, transaction_id, ...described(state, description) } };
}

function credited(
  { amount_micro_usd, transaction_id, description, at }: CreditBudget,
  state: OpenBudget,
): BudgetChange {
  requirePositive(amount_micro_usd);
  if (state.credited_micro_usd + amount_micro_usd >= MAX_CREDIT_MICRO_USD) {
    throw illegalState('the credits of a budget must stay below 1000000000');
  }
  const row = entry(state, amount_micro_usd, at);
  return { type: 'budget.credited.v1', data: { ...row, transaction_id, ...described(state, description) } };
}

function held(command: HoldBudget, state: OpenBudget): BudgetChange {
  const { amount_micro_usd, hold_id, expires_in_seconds, description, at } = command;
  requirePositive(amount_micro_usd);
  if (state.holds.size >= MAX_OPEN_HOLDS)
    throw illegalState(`a budget has at most ${MAX_OPEN_HOLDS} open holds`);
  requireRemaining(amount_micro_usd, state);
  const row = entry(state, -amount_micro_usd, at);
  const expires_at = expiryOf(at, expires_in_seconds);
  const ids = { transaction_id: hold_id, hold_id };
  return { type: 'budget.held.v1', data: { ...row, ...ids, expires_at, ...described(state, description) } };
}

/** Above what was held it takes from what remains. */
function settled(command: SettleHold, state: OpenBudget): BudgetChange {
  const { amount_micro_usd: settled_micro_usd, transaction_id, hold_id, at } = command;
  const { amount_micro_usd: heldAmount, description } = holdOf(command, state);
  if (settled_micro_usd > heldAmount) requireRemaining(settled_micro_usd - heldAmount, state);
  const row = entry(state, heldAmount - settled_micro_usd, at);
  const ids = { transaction_id, hold_id, settled_micro_usd };
  return { type: 'budget.hold-settled.v1', data: { ...row, ...ids, ...described(state, description) } };
}

function holdOf({ hold_id }: SettleHold | ReleaseHold, state: OpenBudget) {
  const hold = state.holds.get(hold_id);
  if (!hold) throw notFound('hold');
  return hold;
}

function requirePositive(amount: MicroUsd): void {
  if (amount <= 0) throw invalidInput('amount_usd', 'must be more than 0');
}

function requireRemaining(amount: MicroUsd, state: OpenBudget): void {
  if (amount <= remainingOf(state)) return;
  throw new TenantryError('illegal_state', 'the amount is above what remains of the budget', {
    code: 'over_budget',
  });
}

function closed({ platform_id, tenant_id, at }: CloseBudget, state: BudgetState): BudgetClosed {
  const isOpen = state.lifecycle === 'open';
  return {
    type: 'budget.closed.v1',
    data: {
      platform_id,
      tenant_id,
      amount_micro_usd: isOpen ? 0 - balanceOf(state) : 0,
      balance_after_micro_usd: 0,
      at,
      subject_key: isOpen ? state.subject_key : null,
      removed: { budgets: isOpen ? 1 : 0 },
    },
  };
}
