import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { budget } from './budget.decide.js';
import type { BudgetEvent } from './budget.js';

const FIXTURES = new URL('./fixtures/', import.meta.url);

/** Each version of each event as the log holds it; these files never change. */
const stored = (type: string): BudgetEvent =>
  ({ type, data: JSON.parse(readFileSync(new URL(`${type}.json`, FIXTURES), 'utf8')) }) as BudgetEvent;

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
  held_micro_usd: 0,
  ...account,
});

const LIFE = [
  ['budget.opened.v1', open({ limit_micro_usd: 25_000_000, period: 'monthly' })],
  ['budget.limit-changed.v1', open({ limit_micro_usd: 30_000_000, period: 'none' })],
  [
    'budget.period-reset.v1',
    open({ limit_micro_usd: 30_000_000, period: 'none', period_started_at: '2028-02-01T00:00:00.000Z' }),
  ],
  [
    'budget.spent.v1',
    open({
      limit_micro_usd: 30_000_000,
      period: 'none',
      period_started_at: '2028-02-01T00:00:00.000Z',
      spent_micro_usd: 1_250_000,
    }),
  ],
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

  it('given a stored version, then it is among those that are loaded', () => {
    const types = readdirSync(FIXTURES).map((file) => file.replace(/\.json$/, ''));
    expect(types.sort()).toEqual(LIFE.map(([type]) => type).sort());
  });
});
