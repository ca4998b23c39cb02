import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { budget } from './budget.decide.js';
import { changed } from './budget.evolve.js';
import type { BudgetEvent, OpenBudget } from './budget.js';
import { type RateLimitsEvent, rateLimits } from './rate-limits.js';

const FIXTURES = new URL('./fixtures/', import.meta.url);

/** Each version of each event as the log holds it; these files never change. */
const stored = <Event = BudgetEvent>(type: string): Event =>
  ({ type, data: JSON.parse(readFileSync(new URL(`${type}.json`, FIXTURES), 'utf8')) }) as Event;

const scope = {
  platform_id: '01943a3e-0000-7000-8000-000000000001',
  tenant_id: '01943a3e-0000-7000-8000-000000000002',
};

const open = (account: object) => ({
  lifecycle: 'open',
  ...scope,
  subject_key: '7',
  period_started_at: '2028-01-01T00:00:00.000Z',
  spent_micro_usd: 0,
  credited_micro_usd: 0,
  held_micro_usd: 0,
  holds: new Map(),
  ...account,
});

const inFebruary = {
  limit_micro_usd: 30_000_000,
  period: 'none',
  period_started_at: '2028-02-01T00:00:00.000Z',
};
const hold_id = '01943a3e-0000-7000-8000-000000000005';
const hold = {
  hold_id,
  amount_micro_usd: 2_000_000,
  expires_at: '2028-02-03T10:10:00.000Z',
  description: null,
};
const spentAndCredited = { ...inFebruary, spent_micro_usd: 1_250_000, credited_micro_usd: 5_000_000 };
const holding = open({ ...spentAndCredited, held_micro_usd: 2_000_000, holds: new Map([[hold_id, hold]]) });

const LIFE = [
  ['budget.opened.v1', open({ limit_micro_usd: 25_000_000, period: 'monthly' })],
  ['budget.limit-changed.v1', open({ limit_micro_usd: 30_000_000, period: 'none' })],
  ['budget.period-reset.v1', open(inFebruary)],
  ['budget.spent.v1', open({ ...inFebruary, spent_micro_usd: 1_250_000 })],
  ['budget.credited.v1', open(spentAndCredited)],
  ['budget.held.v1', holding],
  ['budget.hold-settled.v1', open({ ...spentAndCredited, spent_micro_usd: 2_650_000 })],
  [
    'budget.closed.v1',
    {
      lifecycle: 'closed',
      ...scope,
      subject_key: '7',
      removed: { budgets: 1 },
      closed_at: '2028-02-29T10:00:00.000Z',
    },
  ],
] as const;

describe('stored events of a budget', () => {
  it('given the life of one, then each still loads', () => {
    let state = budget.initialState;
    for (const [type, expected] of LIFE) {
      state = budget.evolve(state, stored(type));
      expect(state).toEqual(expected);
    }
  });

  it('given a hold, when it was released, then it still loads', () => {
    const released =
      stored<Extract<BudgetEvent, { type: 'budget.hold-released.v1' }>>('budget.hold-released.v1');
    expect(changed(holding as unknown as OpenBudget, released)).toEqual(open(spentAndCredited));
  });

  it('given a stored version, then it is among those that are loaded', () => {
    const types = readdirSync(FIXTURES).map((file) => file.replace(/\.json$/, ''));
    const loaded = [...LIFE, ...LIMITS].map(([type]) => type);
    expect(types.sort()).toEqual([...loaded, 'budget.hold-released.v1'].sort());
  });
});

const LIMITS = [
  [
    'rate-limits.overridden.v1',
    { lifecycle: 'open', ...scope, overrides: new Map([['requests', { limit: 100, window_seconds: 60 }]]) },
  ],
  ['rate-limits.override-removed.v1', { lifecycle: 'open', ...scope, overrides: new Map() }],
  ['rate-limits.closed.v1', { lifecycle: 'closed', ...scope }],
] as const;

describe('stored events of rate limits', () => {
  it('given their life, then each still loads', () => {
    let state = rateLimits.initialState;
    for (const [type, expected] of LIMITS) {
      state = rateLimits.evolve(state, stored<RateLimitsEvent>(type));
      expect(state).toEqual(expected);
    }
  });
});
