import { describe, expect, it } from '@jest/globals';
import { given } from '#testing';
import type { Period } from './account.js';
import { budget } from './budget.decide.js';
import type { BudgetEvent } from './budget.js';

const TENANT = { platform_id: 'platform', tenant_id: 'tenant' };
const JANUARY = '2028-01-01T00:00:00.000Z';
const FEBRUARY = '2028-02-01T00:00:00.000Z';
const MARCH = '2028-03-01T00:00:00.000Z';
const LEAP_DAY = '2028-02-29T23:59:59.999Z';
const USD = 1_000_000;

const row = (amount: number, balance: number, at: string) => ({
  ...TENANT,
  amount_micro_usd: amount * USD,
  balance_after_micro_usd: balance * USD,
  at,
});

function opened(limit: number, period: Period = 'monthly', at = '2028-01-15T10:00:00.000Z'): BudgetEvent {
  const started = period === 'monthly' ? `${at.slice(0, 7)}-01T00:00:00.000Z` : at;
  const terms = { limit_micro_usd: limit * USD, period, period_started_at: started };
  return { type: 'budget.opened.v1', data: { ...row(limit, limit, at), ...terms, subject_key: '7' } };
}

const spent = (amount: number, balance: number, at: string): BudgetEvent => ({
  type: 'budget.spent.v1',
  data: { ...row(-amount, balance, at), transaction_id: 'spend' },
});

const reset = (amount: number, balance: number, at: string): BudgetEvent => ({
  type: 'budget.period-reset.v1',
  data: row(amount, balance, at),
});

function limited(entry: ReturnType<typeof row>, limit: number, started: string, period: Period = 'monthly') {
  const terms = { limit_micro_usd: limit * USD, period, period_started_at: started };
  return { type: 'budget.limit-changed.v1', data: { ...entry, ...terms } } satisfies BudgetEvent;
}

const closed = (amount: number, budgets: 0 | 1): BudgetEvent => ({
  type: 'budget.closed.v1',
  data: { ...row(amount, 0, LEAP_DAY), subject_key: budgets ? '7' : null, removed: { budgets } },
});

const set = (limit: number, at: string, period: Period = 'monthly') =>
  ({ kind: 'set', ...TENANT, limit_micro_usd: limit * USD, period, subject_key: '7', at }) as const;

const spend = (amount: number, at: string, description: string | null = null) =>
  ({
    kind: 'spend',
    tenant_id: TENANT.tenant_id,
    transaction_id: 'spend',
    amount_micro_usd: amount * USD,
    description,
    at,
  }) as const;

const close = { kind: 'close', ...TENANT, at: LEAP_DAY } as const;

describe('no budget', () => {
  it('when one is set by the month, then it opens in this month', () => {
    given(budget, [])
      .when(set(25, '2028-01-31T23:59:59.999Z'))
      .then([opened(25, 'monthly', '2028-01-31T23:59:59.999Z')]);
  });

  it('when one is set without a period, then it counts from now', () => {
    given(budget, [])
      .when(set(25, LEAP_DAY, 'none'))
      .then([opened(25, 'none', LEAP_DAY)]);
  });

  it('when spent from, then it is not found', () => {
    given(budget, []).when(spend(1, JANUARY)).thenRefused('not_found');
  });
});

describe('a spend', () => {
  it('within what remains, then it lowers the balance', () => {
    given(budget, [opened(25)])
      .when(spend(1.25, '2028-01-15T11:00:00.000Z'))
      .then([spent(1.25, 23.75, '2028-01-15T11:00:00.000Z')]);
  });

  it('with a description, then that is personal', () => {
    const event = spent(1, 24, LEAP_DAY);
    given(budget, [opened(25, 'none')])
      .when(spend(1, LEAP_DAY, 'Lunch'))
      .then([
        {
          ...event,
          data: { ...event.data, subject_key: '7', personal: { description: 'Lunch' } },
        } as BudgetEvent,
      ]);
  });

  it('of all that remains, then nothing remains', () => {
    given(budget, [opened(25)])
      .when(spend(25, JANUARY))
      .then([spent(25, 0, JANUARY)]);
  });

  it('of a micro-dollar more than remains, then it is over budget', () => {
    given(budget, [opened(25), spent(24, 1, JANUARY)])
      .when(spend(1.000_001, JANUARY))
      .thenRefused('over_budget');
  });

  it.each([0, -1])('of %s, then it is refused', (amount) => {
    given(budget, [opened(25)])
      .when(spend(amount, JANUARY))
      .thenRefused('invalid_input');
  });

  it('in another tenant, then the user is not found', () => {
    given(budget, [opened(25)])
      .when({ ...spend(1, JANUARY), tenant_id: 'other' })
      .thenRefused('not_found');
  });
});

describe('a new limit', () => {
  it('above the old one, then the difference is added', () => {
    given(budget, [opened(25), spent(20, 5, JANUARY)])
      .when(set(30, JANUARY))
      .then([limited(row(5, 10, JANUARY), 30, JANUARY)]);
  });

  it('below what is spent, then the balance is below zero and nothing can be spent', () => {
    const lowered = limited(row(-15, -10, JANUARY), 10, JANUARY);
    given(budget, [opened(25), spent(20, 5, JANUARY)])
      .when(set(10, JANUARY))
      .then([lowered]);
    given(budget, [opened(25), spent(20, 5, JANUARY), lowered])
      .when(spend(0.000_001, JANUARY))
      .thenRefused('over_budget');
  });

  it('and period as they are, then nothing changes, in a new month too', () => {
    given(budget, [opened(25), spent(20, 5, JANUARY)])
      .when(set(25, FEBRUARY))
      .then([]);
  });

  it('in another tenant, then the user is not found', () => {
    given(budget, [opened(25)])
      .when({ ...set(30, JANUARY), tenant_id: 'other' })
      .thenRefused('not_found');
  });
});

describe('another period', () => {
  it('from none to monthly, then what is spent counts in this month', () => {
    given(budget, [opened(25, 'none'), spent(20, 5, JANUARY)])
      .when(set(25, LEAP_DAY, 'monthly'))
      .then([limited(row(0, 5, LEAP_DAY), 25, FEBRUARY)]);
  });

  it('from none to monthly by a clock that went back, then the month is that of the opening', () => {
    given(budget, [opened(25, 'none')])
      .when(set(25, '2027-12-31T23:59:59.999Z', 'monthly'))
      .then([limited(row(0, 25, '2027-12-31T23:59:59.999Z'), 25, JANUARY)]);
  });

  it('from monthly to none, then what is spent stays', () => {
    given(budget, [opened(25), spent(20, 5, JANUARY)])
      .when(set(25, '2028-01-31T23:59:59.999Z', 'none'))
      .then([limited(row(0, 5, '2028-01-31T23:59:59.999Z'), 25, JANUARY, 'none')]);
  });

  it('from monthly to none in a new month, then the month starts afresh first', () => {
    given(budget, [opened(25), spent(20, 5, JANUARY)])
      .when(set(25, LEAP_DAY, 'none'))
      .then([reset(20, 25, FEBRUARY), limited(row(0, 25, LEAP_DAY), 25, FEBRUARY, 'none')]);
  });
});

describe('a new month', () => {
  const lateInFebruary = [opened(25, 'monthly', '2028-02-01T00:00:00.000Z'), spent(20, 5, FEBRUARY)];

  it('not yet on the leap day, when more than remains is spent, then it is over budget', () => {
    given(budget, lateInFebruary).when(spend(6, LEAP_DAY)).thenRefused('over_budget');
  });

  it('from its first instant on, when spent from, then the period is reset before', () => {
    given(budget, lateInFebruary)
      .when(spend(6, MARCH))
      .then([reset(20, 25, MARCH), spent(6, 19, MARCH)]);
  });

  it('months later, when spent from, then there is one reset, at the start of that month', () => {
    given(budget, lateInFebruary)
      .when(spend(6, '2029-12-31T23:59:59.999Z'))
      .then([reset(20, 25, '2029-12-01T00:00:00.000Z'), spent(6, 19, '2029-12-31T23:59:59.999Z')]);
  });

  it('when the limit changes, then the period is reset before', () => {
    given(budget, lateInFebruary)
      .when(set(30, MARCH))
      .then([reset(20, 25, MARCH), limited(row(5, 30, MARCH), 30, MARCH)]);
  });

  it('when the limit was below what was spent, then the reset brings the balance back to the limit', () => {
    given(budget, [...lateInFebruary, limited(row(-15, -10, LEAP_DAY), 10, FEBRUARY)])
      .when(spend(1, MARCH))
      .then([reset(20, 10, MARCH), spent(1, 9, MARCH)]);
  });

  it('when even the new month has too little, then nothing is recorded', () => {
    given(budget, lateInFebruary).when(spend(26, MARCH)).thenRefused('over_budget');
  });

  it('without a period, then nothing is reset', () => {
    given(budget, [opened(25, 'none'), spent(20, 5, JANUARY)])
      .when(spend(1, MARCH))
      .then([spent(1, 4, MARCH)]);
  });
});

describe('a clock that goes back', () => {
  const inMarch = [
    opened(25, 'monthly', FEBRUARY),
    spent(20, 5, FEBRUARY),
    reset(20, 25, MARCH),
    spent(6, 19, MARCH),
  ];

  it('to the month before, then the reset stands', () => {
    given(budget, inMarch)
      .when(spend(10, LEAP_DAY))
      .then([spent(10, 9, LEAP_DAY)]);
    given(budget, inMarch).when(spend(20, LEAP_DAY)).thenRefused('over_budget');
  });

  it('and comes forward again, then there is no second reset', () => {
    given(budget, [...inMarch, spent(10, 9, LEAP_DAY)])
      .when(spend(9, MARCH))
      .then([spent(9, 0, MARCH)]);
  });
});

describe('closing', () => {
  it('a budget, then its rest goes', () => {
    given(budget, [opened(25), spent(20, 5, JANUARY)])
      .when(close)
      .then([closed(-5, 1)]);
  });

  it('a budget below zero, then the row brings it to zero', () => {
    given(budget, [opened(25), spent(20, 5, JANUARY), limited(row(-15, -10, JANUARY), 10, JANUARY)])
      .when(close)
      .then([closed(10, 1)]);
  });

  it('what never was, then it is closed too', () => {
    given(budget, [])
      .when(close)
      .then([closed(0, 0)]);
  });

  it.each([0, 1] as const)('again with %s removed, then nothing changes and the counts stay', (budgets) => {
    const past = budgets ? [opened(25), closed(-25, 1)] : [closed(0, 0)];
    given(budget, past).when(close).then([]);
    const state = past.reduce((current, event) => budget.evolve(current, event), budget.initialState);
    expect(state).toMatchObject({ lifecycle: 'closed', removed: { budgets }, closed_at: LEAP_DAY });
  });

  it.each([
    ['set', set(25, MARCH)],
    ['spent from', spend(1, MARCH)],
  ])('then, when it is %s, the user is not found', (_, command) => {
    given(budget, [opened(25), closed(-25, 1)])
      .when(command)
      .thenRefused('not_found');
    given(budget, [closed(0, 0)])
      .when(command)
      .thenRefused('not_found');
  });
});
