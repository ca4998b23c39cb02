import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isTenantryError } from '#kernel';
import { balanceOf, type Period } from './account.js';
import { budget } from './budget.decide.js';
import type { BudgetCommand, BudgetEvent, BudgetState } from './budget.js';
import { asOf } from './passage-of-time.js';

const TENANT = { platform_id: 'platform', tenant_id: 'tenant' };
const HOUR_MS = 3_600_000;

type Step =
  | { kind: 'set'; limit: number; period: Period }
  | { kind: 'spend' | 'credit'; amount: number }
  | { kind: 'hold'; amount: number; hours: number }
  | { kind: 'settle'; which: number; amount: number }
  | { kind: 'release'; which: number }
  | { kind: 'wait'; hours: number };
type Act = Exclude<Step, { kind: 'wait' }>;

const amount = fc.integer({ min: 1, max: 40 });
/** Which of the holds so far, counted back from the last. */
const which = fc.nat({ max: 4 });
const is = <Kind extends string>(kind: Kind) => fc.constant(kind);

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: is('set'),
    limit: fc.integer({ min: 0, max: 50 }),
    period: fc.constantFrom<Period[]>('monthly', 'monthly', 'none'),
  }),
  { arbitrary: fc.record({ kind: is('spend'), amount }), weight: 4 },
  { arbitrary: fc.record({ kind: is('credit'), amount }), weight: 2 },
  { arbitrary: fc.record({ kind: is('hold'), amount, hours: fc.integer({ min: 1, max: 900 }) }), weight: 4 },
  { arbitrary: fc.record({ kind: is('settle'), which, amount: fc.nat({ max: 60 }) }), weight: 2 },
  fc.record({ kind: is('release'), which }),
  // Back by up to two months, forward by up to four.
  {
    arbitrary: fc.record({ kind: is('wait'), hours: fc.integer({ min: -1440, max: 2880 }) }),
    weight: 3,
  },
);

/** The budget as one would keep it on paper: the limit, and what was spent in the period at hand. */
class Model {
  terms: { limit: number; period: Period } | undefined;
  spends: number[] = [];
  credit = 0;
  holds = new Map<string, { amount: number; until: number }>();
  /** The month that the period is in, counted from year 0; without a period, the one it last was in. */
  month = 0;

  get spent(): number {
    return this.spends.reduce((sum, one) => sum + one, 0);
  }

  get held(): number {
    return [...this.holds.values()].reduce((sum, { amount: one }) => sum + one, 0);
  }

  get rest(): number {
    return (this.terms?.limit ?? 0) + this.credit - this.spent - this.held;
  }

  /** The same paper at another time, with what happens by itself. */
  at(now: Date): Model {
    const next = Object.assign(new Model(), this, { holds: new Map(this.holds) });
    for (const [id, { until }] of this.holds) if (until <= now.getTime()) next.holds.delete(id);
    const month = now.getUTCFullYear() * 12 + now.getUTCMonth();
    if (this.terms?.period !== 'monthly' || month <= this.month) return next;
    for (let over = this.spent - this.terms.limit; over > 0 && next.credit > 0; over--) next.credit--;
    return Object.assign(next, { spends: [], month });
  }

  /** The paper after the step; undefined where it is refused, which leaves no trace. */
  after(act: Act, id: string, now: Date): Model | undefined {
    if (act.kind === 'set') return this.set(act, now);
    if (!this.terms) return undefined;
    const next = this.at(now);
    if (act.kind === 'spend') {
      if (act.amount > next.rest) return undefined;
      next.spends = [...next.spends, act.amount];
    } else if (act.kind === 'credit') {
      next.credit += act.amount;
    } else if (act.kind === 'hold') {
      if (act.amount > next.rest) return undefined;
      next.holds.set(id, { amount: act.amount, until: now.getTime() + act.hours * HOUR_MS });
    } else if (act.kind === 'settle') {
      const hold = next.holds.get(id);
      if (!hold || (act.amount > hold.amount && act.amount - hold.amount > next.rest)) return undefined;
      next.holds.delete(id);
      next.spends = [...next.spends, act.amount];
    } else {
      if (!this.holds.has(id)) return undefined;
      next.holds.delete(id);
    }
    return next;
  }

  private set({ limit, period }: Extract<Act, { kind: 'set' }>, now: Date): Model {
    if (this.terms?.limit === limit && this.terms.period === period) return this;
    const next = this.at(now);
    const month = now.getUTCFullYear() * 12 + now.getUTCMonth();
    if (!this.terms || period === 'monthly') next.month = Math.max(month, this.month);
    next.terms = { limit, period };
    return next;
  }
}

function commandOf(act: Act, id: string, now: Date): BudgetCommand {
  const common = { ...TENANT, subject_key: '7', at: now.toISOString() };
  const money = 'amount' in act ? { amount_micro_usd: act.amount } : { amount_micro_usd: 0 };
  const described = { description: null, transaction_id: 't' };
  switch (act.kind) {
    case 'set':
      return { kind: 'set', ...common, limit_micro_usd: act.limit, period: act.period };
    case 'hold': {
      const expires_in_seconds = act.hours * 3_600;
      return { kind: 'hold', ...common, ...money, ...described, hold_id: id, expires_in_seconds };
    }
    case 'spend':
    case 'credit':
      return { kind: act.kind, ...common, ...money, ...described };
    case 'settle':
      return { kind: 'settle', ...common, ...money, transaction_id: 't', hold_id: id };
    case 'release':
      return { kind: 'release', ...common, hold_id: id };
  }
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

/** One budget beside its model, as the steps go. */
class Run {
  state: BudgetState = budget.initialState;
  model = new Model();
  now = new Date('2028-01-31T22:00:00.000Z');
  balance = 0;
  private readonly holds: string[] = [];
  private readonly resets: string[] = [];

  /** `seen` gathers what happened in any run. */
  constructor(private readonly seen: Set<string>) {}

  take(one: Step): void {
    if (one.kind === 'wait') this.now = new Date(this.now.getTime() + one.hours * HOUR_MS);
    else this.act(one);
    this.compare();
  }

  private act(act: Act): void {
    const id = 'which' in act ? (this.holds.at(-1 - act.which) ?? 'none') : `hold ${this.holds.length}`;
    if (act.kind === 'hold') this.holds.push(id);
    const events = decide(commandOf(act, id, this.now), this.state);
    const after = this.model.after(act, id, this.now);
    expect(events !== undefined).toBe(after !== undefined);
    for (const event of events ?? []) this.record(event);
    this.model = after ?? this.model;
  }

  private record(event: BudgetEvent): void {
    this.state = budget.evolve(this.state, event);
    const { amount_micro_usd, balance_after_micro_usd, at } = event.data;
    this.balance += amount_micro_usd;
    this.seen.add('reason' in event.data ? event.data.reason : event.type);
    if ('credit_used_micro_usd' in event.data) this.seen.add('credit used');
    expect(balance_after_micro_usd).toBe(this.balance);
    if (this.state.lifecycle !== 'open') throw new Error('not open');
    expect(balanceOf(this.state)).toBe(this.balance);
    const takes = event.type === 'budget.hold-settled.v1' && amount_micro_usd < 0;
    if (takes || event.type === 'budget.spent.v1' || event.type === 'budget.held.v1') {
      expect(this.balance).toBeGreaterThanOrEqual(0);
    }
    if (event.type !== 'budget.period-reset.v1') return;
    expect(at > (this.resets.at(-1) ?? '')).toBe(true);
    this.resets.push(at);
  }

  /** What is on record, and what a reader is shown now. */
  private compare(): void {
    if (this.state.lifecycle !== 'open') return;
    for (const [shown, model] of [
      [this.state, this.model],
      [asOf(this.state, this.now.toISOString()), this.model.at(this.now)],
    ] as const) {
      expect({
        spent: shown.spent_micro_usd,
        held: shown.held_micro_usd,
        credit: shown.credited_micro_usd,
        rest: balanceOf(shown),
      }).toEqual({ spent: model.spent, held: model.held, credit: model.credit, rest: model.rest });
    }
  }
}

describe('the ledger of a budget', () => {
  it('given any commands at any times, follows the model, adds up at every row and passes no limit', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 60, size: 'max' }), (steps) => {
        const run = new Run(seen);
        for (const one of steps) run.take(one);
        const { state, now, balance } = run;
        const [closing] = budget.decide({ kind: 'close', ...TENANT, at: now.toISOString() }, state);
        expect(balance + (closing?.data.amount_micro_usd ?? Number.NaN)).toBe(0);
      }),
      { numRuns: 250 },
    );
    // Else the steps are too tame to prove anything.
    expect([...seen].sort()).toEqual([
      'budget.credited.v1',
      'budget.held.v1',
      'budget.hold-settled.v1',
      'budget.limit-changed.v1',
      'budget.opened.v1',
      'budget.period-reset.v1',
      'budget.spent.v1',
      'credit used',
      'expired',
      'released',
    ]);
  });
});
