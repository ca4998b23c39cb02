import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { checkSnapshots, expectForm } from '#testing';
import { budget } from './budget.decide.js';
import type { BudgetCommand, BudgetEvent } from './budget.js';
import { type RateLimitsCommand, type RateLimitsEvent, rateLimits } from './rate-limits.js';

const FIXTURES = new URL('./fixtures/', import.meta.url);
const FORMS = new URL('./snapshots/', import.meta.url);
const scope = { platform_id: 'platform', tenant_id: 'tenant' };

const stored = <Event>(...types: string[]): Event[] =>
  types.map((type) => {
    const data: unknown = JSON.parse(readFileSync(new URL(`${type}.json`, FIXTURES), 'utf8'));
    return { type, data } as Event;
  });

const at = fc
  .integer({ min: 0, max: 4_000 })
  .map((hours) => new Date(Date.UTC(2028, 0, 1) + hours * 3_600_000).toISOString());
const amount_micro_usd = fc.integer({ min: 0, max: 40 });
const description = fc.option(fc.string());
const id = fc.constantFrom('a', 'b', 'c', 'd');
const given = <Kind extends string, More extends object>(
  kind: Kind,
  more: { [Name in keyof More]: fc.Arbitrary<More[Name]> },
) => fc.record({ kind: fc.constant(kind), at, ...more }).map((command) => ({ ...scope, ...command }));

const command = fc.oneof(
  {
    weight: 4,
    arbitrary: given('set', {
      limit_micro_usd: fc.nat(100),
      period: fc.constantFrom('monthly', 'none'),
      subject_key: fc.constant('7'),
    }),
  },
  { weight: 4, arbitrary: given('spend', { transaction_id: id, amount_micro_usd, description }) },
  { weight: 2, arbitrary: given('credit', { transaction_id: id, amount_micro_usd, description }) },
  {
    weight: 6,
    arbitrary: given('hold', {
      hold_id: fc.uuid(),
      amount_micro_usd,
      description,
      expires_in_seconds: fc.integer({ min: 1, max: 5_000_000 }),
    }),
  },
  { weight: 1, arbitrary: given('bring-up-to-date', {}) },
) as unknown as fc.Arbitrary<BudgetCommand>;

describe('snapshots of budgets', () => {
  it('given any commands, then a state from its snapshot is like one from its events', () => {
    checkSnapshots(budget, command);
  });

  it('given a stored life, then the form is the one of its version', () => {
    const life = ['opened', 'limit-changed', 'period-reset', 'spent', 'credited', 'held'];
    const past = stored<BudgetEvent>(...life.map((name) => `budget.${name}.v1`));
    expectForm(budget, past, FORMS);
  });

  it('given a budget that is open, then it is sealed under the key of its user, and after that under none', () => {
    const [opened, closed] = stored<BudgetEvent>('budget.opened.v1', 'budget.closed.v1');
    if (!opened || !closed) throw new Error('the fixtures are there');
    const open = budget.evolve(budget.initialState, opened);
    expect(budget.snapshot?.subjectKey(open)).toBe('7');
    expect(budget.snapshot?.subjectKey(budget.evolve(open, closed))).toBeNull();
  });
});

describe('snapshots of rate limits', () => {
  const limits = fc.oneof(
    {
      weight: 8,
      arbitrary: given('override', { name: id, limit: fc.nat(100), window_seconds: fc.nat(100) }),
    },
    { weight: 3, arbitrary: given('remove', { name: id }) },
    { weight: 1, arbitrary: given('close', {}) },
  ) as fc.Arbitrary<RateLimitsCommand>;

  it('given any commands, then a state from its snapshot is like one from its events', () => {
    checkSnapshots(rateLimits, limits);
  });

  it('given a stored life, then the form is the one of its version', () => {
    expectForm(rateLimits, stored<RateLimitsEvent>('rate-limits.overridden.v1'), FORMS);
  });
});
