import { describe, expect, it } from '@jest/globals';
import { given } from '#testing';
import type { Period } from './account.js';
import { budget } from './budget.decide.js';
import type { BudgetEvent } from './budget.js';
import { asOf } from './passage-of-time.js';

const TENANT = { platform_id: 'platform', tenant_id: 'tenant' };
const JANUARY_31 = '2028-01-31T23:55:00.000Z';
const FEBRUARY = '2028-02-01T00:00:00.000Z';
const EXPIRY = '2028-02-01T00:05:00.000Z';
const USD = 1_000_000;

const row = (amount: number, balance: number, at: string) => ({
  ...TENANT,
  amount_micro_usd: amount * USD,
  balance_after_micro_usd: Math.round(balance * USD),
  at,
});

function opened(limit: number, period: Period = 'monthly'): BudgetEvent {
  const terms = { limit_micro_usd: limit * USD, period, period_started_at: '2028-01-01T00:00:00.000Z' };
  return {
    type: 'budget.opened.v1',
    data: { ...row(limit, limit, '2028-01-15T10:00:00.000Z'), ...terms, subject_key: '7' },
  };
}

const held = (amount: number, balance: number, id = 'hold', expires_at = EXPIRY): BudgetEvent => ({
  type: 'budget.held.v1',
  data: { ...row(-amount, balance, JANUARY_31), transaction_id: id, hold_id: id, expires_at },
});

const released = (
  entry: ReturnType<typeof row>,
  reason: 'released' | 'expired',
  id = 'hold',
): BudgetEvent => ({
  type: 'budget.hold-released.v1',
  data: { ...entry, hold_id: id, reason },
});

const settled = (entry: ReturnType<typeof row>, amount: number): BudgetEvent => ({
  type: 'budget.hold-settled.v1',
  data: { ...entry, transaction_id: 't', hold_id: 'hold', settled_micro_usd: amount * USD },
});

const spent = (amount: number, balance: number, at = JANUARY_31): BudgetEvent => ({
  type: 'budget.spent.v1',
  data: { ...row(-amount, balance, at), transaction_id: 't' },
});

const credited = (amount: number, balance: number): BudgetEvent => ({
  type: 'budget.credited.v1',
  data: { ...row(amount, balance, JANUARY_31), transaction_id: 't' },
});

const reset = (amount: number, balance: number, creditUsed?: number): BudgetEvent => ({
  type: 'budget.period-reset.v1',
  data: {
    ...row(amount, balance, FEBRUARY),
    ...(creditUsed !== undefined && { credit_used_micro_usd: creditUsed * USD }),
  },
});

const common = { ...TENANT, subject_key: '', description: null };
const money = (amount: number) => ({ transaction_id: 't', amount_micro_usd: amount * USD });
const hold = (amount: number, at = JANUARY_31, hold_id = 'hold') =>
  ({
    kind: 'hold',
    ...common,
    hold_id,
    amount_micro_usd: amount * USD,
    expires_in_seconds: 600,
    at,
  }) as const;
const settle = (amount: number, at = JANUARY_31, hold_id = 'hold') =>
  ({ kind: 'settle', ...common, ...money(amount), hold_id, at }) as const;
const release = (at = JANUARY_31, hold_id = 'hold') => ({ kind: 'release', ...common, hold_id, at }) as const;
const spend = (amount: number, at = JANUARY_31) =>
  ({ kind: 'spend', ...common, ...money(amount), at }) as const;
const credit = (amount: number, at = JANUARY_31) =>
  ({ kind: 'credit', ...common, ...money(amount), at }) as const;

describe('a hold', () => {
  it('within what remains, then it lowers the balance', () => {
    given(budget, [opened(10)])
      .when(hold(4))
      .then([held(4, 6)]);
  });

  it('with a description, then that is personal, and so it is where the hold ends', () => {
    const personal = { subject_key: '7', personal: { description: 'A run' } };
    const named = { type: 'budget.held.v1', data: { ...held(4, 6).data, ...personal } } as BudgetEvent;
    given(budget, [opened(10)])
      .when({ ...hold(4), description: 'A run' })
      .then([named]);
    const end = settled(row(1, 7, JANUARY_31), 3);
    given(budget, [opened(10), named])
      .when(settle(3))
      .then([{ ...end, data: { ...end.data, ...personal } } as BudgetEvent]);
  });

  it('of a micro-dollar more than remains, then it is over budget', () => {
    given(budget, [opened(10), held(4, 6)])
      .when(hold(6.000_001, JANUARY_31, 'other'))
      .thenRefused('over_budget');
  });

  it.each([0, -1])('of %s, then it is refused', (amount) => {
    given(budget, [opened(10)])
      .when(hold(amount))
      .thenRefused('invalid_input');
  });

  it('when spent beside it, then what is held is not to be had', () => {
    given(budget, [opened(10), held(4, 6)])
      .when(spend(6))
      .then([spent(6, 0)]);
    given(budget, [opened(10), held(4, 6)])
      .when(spend(6.5))
      .thenRefused('over_budget');
  });

  it('given a thousand open ones, then it is refused', () => {
    const many = Array.from({ length: 1_000 }, (_, index) => held(0.001, 0, `hold ${index}`));
    given(budget, [opened(10), ...many])
      .when(hold(1))
      .thenRefused('illegal_state');
    given(budget, [opened(10), ...many.slice(1)])
      .when(hold(1))
      .then([held(1, 8.001)]);
  });
});

describe('settling a hold', () => {
  const holding = [opened(10), held(4, 6)];

  it.each([
    ['less than', 1.5, 2.5, 8.5],
    ['nothing of', 0, 4, 10],
    ['all of', 4, 0, 6],
    ['more than', 10, -6, 0],
  ])('for %s what is held, then the rest is there again or taken', (_, amount, added, balance) => {
    given(budget, holding)
      .when(settle(amount))
      .then([settled(row(added, balance, JANUARY_31), amount)]);
  });

  it('for more than is held and remains, then it is over budget', () => {
    given(budget, holding).when(settle(10.000_001)).thenRefused('over_budget');
  });

  it('given a limit lowered below what is held, then what was held can still be spent, and no more', () => {
    const terms = {
      limit_micro_usd: 1 * USD,
      period: 'monthly',
      period_started_at: '2028-01-01T00:00:00.000Z',
    };
    const lowered = { type: 'budget.limit-changed.v1', data: { ...row(-9, -3, JANUARY_31), ...terms } };
    const past = [...holding, lowered as BudgetEvent];
    given(budget, past)
      .when(settle(4))
      .then([settled(row(0, -3, JANUARY_31), 4)]);
    given(budget, past).when(settle(4.5)).thenRefused('over_budget');
  });

  it.each([
    ['that never was', holding, settle(1, JANUARY_31, 'other'), 'not_found'],
    ['that is settled', [...holding, settled(row(4, 10, JANUARY_31), 0)], settle(1), 'not_found'],
    ['at its expiry', holding, settle(1, EXPIRY), 'illegal_state'],
    ['of another tenant', holding, { ...settle(1), tenant_id: 'other' }, 'not_found'],
  ] as const)('%s, then it is refused', (_, past, command, code) => {
    given(budget, past).when(command).thenRefused(code);
  });
});

describe('releasing a hold', () => {
  const holding = [opened(10), held(4, 6)];

  it('that is open, then what is held is there again', () => {
    given(budget, holding)
      .when(release())
      .then([released(row(4, 10, JANUARY_31), 'released')]);
  });

  it('that has expired, then that is all that is recorded', () => {
    given(budget, holding)
      .when(release(EXPIRY))
      .then([reset(0, 6), released(row(4, 10, EXPIRY), 'expired')]);
  });

  it('that never was, then it is not found', () => {
    given(budget, holding).when(release(JANUARY_31, 'other')).thenRefused('not_found');
  });
});

describe('the time of a hold', () => {
  const lastInstant = '2028-02-01T00:04:59.999Z';
  const spentAndHolding = [opened(10), spent(5, 5), held(4, 1)];

  it("given a month's end before its expiry, when spent from, then it counts in the new month", () => {
    given(budget, spentAndHolding)
      .when(spend(6, lastInstant))
      .then([reset(5, 6), spent(6, 0, lastInstant)]);
    given(budget, spentAndHolding).when(spend(6.5, lastInstant)).thenRefused('over_budget');
  });

  it('at its expiry, when spent from, then it is let go of first, dated when it expired', () => {
    const later = '2028-02-29T12:00:00.000Z';
    given(budget, spentAndHolding)
      .when(spend(10, later))
      .then([reset(5, 6), released(row(4, 10, EXPIRY), 'expired'), spent(10, 0, later)]);
  });

  it("given expiries before and after a month's begin, then all is recorded in the order of time", () => {
    const before = '2028-01-31T23:59:00.000Z';
    given(budget, [opened(10), held(1, 9, 'late'), held(2, 7, 'early', before), held(3, 4, 'edge', FEBRUARY)])
      .when({ kind: 'bring-up-to-date', ...TENANT, at: EXPIRY })
      .then([
        released(row(2, 6, before), 'expired', 'early'),
        released(row(3, 9, FEBRUARY), 'expired', 'edge'),
        reset(0, 9),
        released(row(1, 10, EXPIRY), 'expired', 'late'),
      ]);
  });

  it('given a clock that went back before its expiry, then what was released stays so', () => {
    const past = [...spentAndHolding, reset(5, 6), released(row(4, 10, EXPIRY), 'expired')];
    given(budget, past)
      .when(spend(10))
      .then([spent(10, 0)]);
  });

  it('when read at its expiry, then nothing is held', () => {
    const state = spentAndHolding.reduce(budget.evolve, budget.initialState);
    if (state.lifecycle !== 'open') throw new Error('not open');
    expect(asOf(state, lastInstant)).toMatchObject({ spent_micro_usd: 0, held_micro_usd: 4 * USD });
    expect(asOf(state, EXPIRY)).toMatchObject({ spent_micro_usd: 0, held_micro_usd: 0 });
    expect(asOf(state, JANUARY_31)).toEqual(state);
  });
});

describe('a credit', () => {
  it('given an exhausted limit, then it can be spent', () => {
    given(budget, [opened(10), spent(10, 0)])
      .when(credit(5))
      .then([credited(5, 5)]);
    given(budget, [opened(10), spent(10, 0), credited(5, 5)])
      .when(spend(5))
      .then([spent(5, 0)]);
  });

  it.each([0, -1])('of %s, then it is refused', (amount) => {
    given(budget, [opened(10)])
      .when(credit(amount))
      .thenRefused('invalid_input');
  });

  it('that no ledger should hold, then it is refused', () => {
    given(budget, [opened(10), credited(999_999_999, 999_999_999)])
      .when(credit(1))
      .thenRefused('illegal_state');
  });

  it('when the month is over, then what the limit did not cover was taken from it and the rest stays', () => {
    const past = [opened(10), credited(5, 15), spent(12, 3)];
    given(budget, past)
      .when(spend(13, FEBRUARY))
      .then([reset(10, 13, 2), spent(13, 0, FEBRUARY)]);
  });

  it('given no spends above the limit, then all of it outlives the month', () => {
    given(budget, [opened(10), credited(5, 15), spent(10, 5)])
      .when(spend(15, FEBRUARY))
      .then([reset(10, 15), spent(15, 0, FEBRUARY)]);
  });

  it('of no budget, then it is not found', () => {
    given(budget, []).when(credit(5)).thenRefused('not_found');
  });
});

describe('the budget that a user has from the start', () => {
  const at = '2028-01-15T10:00:00.000Z';
  const opening = { ...TENANT, limit_micro_usd: 10 * USD, period: 'monthly', subject_key: '7', at } as const;
  const bring = { kind: 'bring-up-to-date', ...TENANT, opening, at } as const;

  it('when first heard of, then it opens as of the making of the user', () => {
    given(budget, [])
      .when(bring)
      .then([opened(10)]);
  });

  it('when a command comes first, then it opens before it', () => {
    given(budget, [])
      .when({ ...spend(4), opening })
      .then([opened(10), spent(4, 6)]);
    given(budget, [])
      .when({ ...spend(11), opening })
      .thenRefused('over_budget');
  });

  it('when first used months later, then the month begins afresh too', () => {
    given(budget, [])
      .when({ ...spend(4, FEBRUARY), opening })
      .then([opened(10), reset(0, 10), spent(4, 6, FEBRUARY)]);
  });

  it('when a limit is set first, then it opens and changes', () => {
    const set = {
      kind: 'set',
      ...TENANT,
      limit_micro_usd: 3 * USD,
      period: 'none',
      subject_key: '8',
    } as const;
    const terms = { limit_micro_usd: 3 * USD, period: 'none', period_started_at: '2028-01-01T00:00:00.000Z' };
    given(budget, [])
      .when({ ...set, opening, at: JANUARY_31 })
      .then([
        opened(10),
        { type: 'budget.limit-changed.v1', data: { ...row(-7, 3, JANUARY_31), ...terms } } as BudgetEvent,
      ]);
  });

  it('given it is open, when told again, then nothing changes', () => {
    given(budget, [opened(10)])
      .when(bring)
      .then([]);
  });

  it('given it is closed, when told late, then it stays closed', () => {
    const closed: BudgetEvent = {
      type: 'budget.closed.v1',
      data: { ...row(0, 0, at), subject_key: null, removed: { budgets: 0 } },
    };
    given(budget, [closed]).when(bring).then([]);
    for (const command of [spend(1), credit(1), hold(1), settle(1), release()]) {
      given(budget, [closed])
        .when({ ...command, opening })
        .thenRefused('not_found');
    }
  });
});

describe('closing a budget with holds and credits', () => {
  it('then the row brings the balance to nothing', () => {
    given(budget, [opened(10), credited(5, 15), held(4, 11)])
      .when({ kind: 'close', ...TENANT, at: JANUARY_31 })
      .then([
        {
          type: 'budget.closed.v1',
          data: { ...row(-11, 0, JANUARY_31), subject_key: '7', removed: { budgets: 1 } },
        },
      ]);
  });
});
