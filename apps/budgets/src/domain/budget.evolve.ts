import type { BudgetChange, BudgetEvent, BudgetOpened, BudgetState, Hold, OpenBudget } from './budget.js';

/** Folds one event of any version that was ever stored. */
export function evolve(state: BudgetState, event: BudgetEvent): BudgetState {
  if (event.type === 'budget.opened.v1') return openedBy(event);
  if (event.type === 'budget.closed.v1') {
    const { platform_id, tenant_id, subject_key, removed, at } = event.data;
    return { lifecycle: 'closed', platform_id, tenant_id, subject_key, removed, closed_at: at };
  }
  if (state.lifecycle !== 'open') throw new Error(`${event.type} without a budget`);
  return changed(state, event);
}

export function openedBy({ data }: BudgetOpened): OpenBudget {
  const { amount_micro_usd: _, balance_after_micro_usd: __, at: ___, ...terms } = data;
  const nothingYet = { spent_micro_usd: 0, credited_micro_usd: 0, held_micro_usd: 0, holds: new Map() };
  return { lifecycle: 'open', ...terms, ...nothingYet };
}

export function changed(state: OpenBudget, event: BudgetChange): OpenBudget {
  const { amount_micro_usd: amount } = event.data;
  switch (event.type) {
    case 'budget.limit-changed.v1': {
      const { limit_micro_usd, period, period_started_at } = event.data;
      return { ...state, limit_micro_usd, period, period_started_at };
    }
    case 'budget.period-reset.v1': {
      const { credit_used_micro_usd = 0, at } = event.data;
      const credited_micro_usd = state.credited_micro_usd - credit_used_micro_usd;
      return { ...state, spent_micro_usd: 0, credited_micro_usd, period_started_at: at };
    }
    case 'budget.spent.v1':
      return { ...state, spent_micro_usd: state.spent_micro_usd - amount };
    case 'budget.credited.v1':
      return { ...state, credited_micro_usd: state.credited_micro_usd + amount };
    case 'budget.held.v1': {
      const { hold_id, expires_at, personal } = event.data;
      const description = personal?.description ?? null;
      return withHold(state, { hold_id, amount_micro_usd: 0 - amount, expires_at, description });
    }
    case 'budget.hold-settled.v1': {
      const spent_micro_usd = state.spent_micro_usd + event.data.settled_micro_usd;
      return { ...withoutHold(state, event.data.hold_id), spent_micro_usd };
    }
    case 'budget.hold-released.v1':
      return withoutHold(state, event.data.hold_id);
  }
}

function withHold(state: OpenBudget, hold: Hold): OpenBudget {
  const held_micro_usd = state.held_micro_usd + hold.amount_micro_usd;
  return { ...state, held_micro_usd, holds: new Map(state.holds).set(hold.hold_id, hold) };
}

function withoutHold(state: OpenBudget, holdId: string): OpenBudget {
  const hold = state.holds.get(holdId);
  if (!hold) throw new Error('a hold ended that was not open');
  const holds = new Map(state.holds);
  holds.delete(holdId);
  return { ...state, held_micro_usd: state.held_micro_usd - hold.amount_micro_usd, holds };
}
