import { type Decider, invalidInput, notFound, TenantryError } from '#kernel';
import { balanceOf, monthStart, remainingOf, rolledOver } from './account.js';
import type {
  BudgetClosed,
  BudgetCommand,
  BudgetEvent,
  BudgetOpened,
  BudgetPeriodReset,
  BudgetState,
  CloseBudget,
  OpenBudget,
  SetBudgetLimit,
  SpendBudget,
} from './budget.js';

/**
 * A user's budget and its ledger. What is spent and held never passes the limit by a spend. A monthly budget
 * starts afresh with the first command that comes in a new month; a clock that goes back undoes nothing.
 * Once closed, also before it was ever opened, it refuses everything for ever: the user is gone.
 */
export const budget: Decider<BudgetState, BudgetCommand, BudgetEvent> = {
  category: 'budget',
  initialState: { lifecycle: 'absent' },

  decide(command, state) {
    if (state.lifecycle !== 'absent' && state.tenant_id !== command.tenant_id) throw notFound('user');
    if (command.kind === 'close') return state.lifecycle === 'closed' ? [] : [closed(command, state)];
    if (state.lifecycle === 'closed') throw notFound('user');
    if (command.kind === 'set')
      return state.lifecycle === 'open' ? change(command, state) : [opened(command)];
    if (state.lifecycle === 'absent') throw notFound('budget');
    return spend(command, state);
  },

  evolve(state, event) {
    if (event.type === 'budget.opened.v1') {
      const { amount_micro_usd: _, balance_after_micro_usd: __, at: ___, ...terms } = event.data;
      return { lifecycle: 'open', ...terms, spent_micro_usd: 0, held_micro_usd: 0 };
    }
    if (event.type === 'budget.closed.v1') {
      const { platform_id, tenant_id, subject_key, removed, at } = event.data;
      return { lifecycle: 'closed', platform_id, tenant_id, subject_key, removed, closed_at: at };
    }
    if (state.lifecycle !== 'open') throw new Error(`${event.type} without a budget`);
    switch (event.type) {
      case 'budget.limit-changed.v1': {
        const { limit_micro_usd, period, period_started_at } = event.data;
        return { ...state, limit_micro_usd, period, period_started_at };
      }
      case 'budget.period-reset.v1':
        return { ...state, spent_micro_usd: 0, period_started_at: event.data.at };
      case 'budget.spent.v1':
        return { ...state, spent_micro_usd: state.spent_micro_usd - event.data.amount_micro_usd };
    }
  },
};

function opened({ kind: _, ...command }: SetBudgetLimit): BudgetOpened {
  const { period, at, limit_micro_usd: limit } = command;
  return {
    type: 'budget.opened.v1',
    data: {
      ...command,
      period_started_at: period === 'monthly' ? monthStart(at) : at,
      amount_micro_usd: limit,
      balance_after_micro_usd: limit,
    },
  };
}

/** Another period keeps what is spent, so that going to and fro gives nothing back. */
function change(command: SetBudgetLimit, state: OpenBudget): BudgetEvent[] {
  const { limit_micro_usd, period, at } = command;
  if (limit_micro_usd === state.limit_micro_usd && period === state.period) return [];
  const current = rolledOver(state, at);
  const since = current.period_started_at;
  const clockWentBack = at < since;
  const period_started_at = period === 'monthly' ? monthStart(clockWentBack ? since : at) : since;
  const terms = { limit_micro_usd, period, period_started_at };
  const data = { ...entry(current, { ...current, ...terms }, at), ...terms };
  return [...reset(state, current), { type: 'budget.limit-changed.v1', data }];
}

function spend(command: SpendBudget, state: OpenBudget): BudgetEvent[] {
  const { amount_micro_usd: amount, transaction_id, description, at } = command;
  if (amount <= 0) throw invalidInput('amount_usd', 'must be more than 0');
  const current = rolledOver(state, at);
  if (amount > remainingOf(current)) {
    throw new TenantryError('illegal_state', 'the amount is above what remains of the budget', {
      code: 'over_budget',
    });
  }
  const after = { ...current, spent_micro_usd: current.spent_micro_usd + amount };
  const personal = description === null ? {} : { subject_key: state.subject_key, personal: { description } };
  const data = { ...entry(current, after, at), transaction_id, ...personal };
  return [...reset(state, current), { type: 'budget.spent.v1', data }];
}

/** The row that the new period begins with, where one began. */
function reset(before: OpenBudget, current: OpenBudget): BudgetPeriodReset[] {
  if (current === before) return [];
  return [{ type: 'budget.period-reset.v1', data: entry(before, current, current.period_started_at) }];
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

const entry = (before: OpenBudget, after: OpenBudget, at: string) => ({
  platform_id: after.platform_id,
  tenant_id: after.tenant_id,
  amount_micro_usd: balanceOf(after) - balanceOf(before),
  balance_after_micro_usd: balanceOf(after),
  at,
});
