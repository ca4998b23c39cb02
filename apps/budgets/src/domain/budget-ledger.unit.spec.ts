import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isTenantryError } from '#kernel';
import { PERIODS, type Period } from './account.js';
import { budget } from './budget.decide.js';
import type { BudgetCommand, BudgetEvent, BudgetState } from './budget.js';

const TENANT = { platform_id: 'platform', tenant_id: 'tenant' };

type Step =
  | { kind: 'set'; limit: number; period: Period }
  | { kind: 'spend'; amount: number }
  | { kind: 'wait'; hours: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('set' as const),
    limit: fc.integer({ min: 0, max: 100 }),
    period: fc.constantFrom(...PERIODS),
  }),
  {
    arbitrary: fc.record({ kind: fc.constant('spend' as const), amount: fc.integer({ min: 1, max: 40 }) }),
    weight: 4,
  },
  // Back by up to two months, forward by up to four.
  {
    arbitrary: fc.record({
      kind: fc.constant('wait' as const),
      hours: fc.integer({ min: -1440, max: 2880 }),
    }),
    weight: 2,
  },
);

/** The budget as one would keep it on paper: the limit, and what was spent in the period at hand. */
class Model {
  terms: { limit: number; period: Period } | undefined;
  spends: number[] = [];
  /** The month that the period is in, counted from year 0; without a period, the one it last was in. */
  month = 0;

  get spent(): number {
    return this.spends.reduce((sum, amount) => sum + amount, 0);
  }

  /** Answers whether the step is taken; an untaken one leaves no trace. */
  take(command: Exclude<Step, { kind: 'wait' }>, now: Date): boolean {
    const { terms } = this;
    const month = now.getUTCFullYear() * 12 + now.getUTCMonth();
    const isNewMonth = terms?.period === 'monthly' && month > this.month;
    if (command.kind === 'spend') {
      if (!terms || command.amount > terms.limit - (isNewMonth ? 0 : this.spent)) return false;
    } else if (terms && command.limit === terms.limit && command.period === terms.period) {
      return true;
    }
    if (isNewMonth) this.spends = [];
    if (!terms || [terms.period, command.kind === 'set' && command.period].includes('monthly')) {
      this.month = Math.max(month, this.month);
    }
    if (command.kind === 'spend') this.spends.push(command.amount);
    else this.terms = { limit: command.limit, period: command.period };
    return true;
  }
}

function commandOf(given: Exclude<Step, { kind: 'wait' }>, now: Date): BudgetCommand {
  const at = now.toISOString();
  return given.kind === 'set'
    ? { kind: 'set', ...TENANT, limit_micro_usd: given.limit, period: given.period, subject_key: '7', at }
    : {
        kind: 'spend',
        tenant_id: 'tenant',
        transaction_id: 't',
        amount_micro_usd: given.amount,
        description: null,
        at,
      };
}

/** Undefined when it was refused. */
function decide(command: BudgetCommand, state: BudgetState): BudgetEvent[] | undefined {
  try {
    return budget.decide(command, state);
  } catch (error) {
    if (!isTenantryError(error)) throw error;
    return undefined;
  }
}

function checkEntry(event: BudgetEvent, before: number, state: BudgetState): number {
  const balance = before + event.data.amount_micro_usd;
  expect(event.data.balance_after_micro_usd).toBe(balance);
  if (state.lifecycle !== 'open') throw new Error('not open');
  expect(state.limit_micro_usd - state.spent_micro_usd - state.held_micro_usd).toBe(balance);
  if (event.type === 'budget.spent.v1') {
    expect(state.spent_micro_usd + state.held_micro_usd).toBeLessThanOrEqual(state.limit_micro_usd);
  }
  return balance;
}

describe('the ledger of a budget', () => {
  it('given any commands at any times, follows the model, adds up at every row and passes no limit', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
        const model = new Model();
        let now = new Date('2028-01-31T22:00:00.000Z');
        let state: BudgetState = budget.initialState;
        let balance = 0;
        const resets: string[] = [];
        for (const one of steps) {
          if (one.kind === 'wait') {
            now = new Date(now.getTime() + one.hours * 3_600_000);
            continue;
          }
          const events = decide(commandOf(one, now), state);
          expect(events !== undefined).toBe(model.take(one, now));
          for (const event of events ?? []) {
            state = budget.evolve(state, event);
            balance = checkEntry(event, balance, state);
            if (event.type === 'budget.period-reset.v1') resets.push(event.data.at);
          }
          if (state.lifecycle === 'open') expect(state.spent_micro_usd).toBe(model.spent);
        }
        expect(resets).toEqual([...new Set(resets)].sort());
        const [closing] = budget.decide({ kind: 'close', ...TENANT, at: now.toISOString() }, state);
        expect(balance + (closing?.data.amount_micro_usd ?? Number.NaN)).toBe(0);
      }),
      { numRuns: 500 },
    );
  });
});
