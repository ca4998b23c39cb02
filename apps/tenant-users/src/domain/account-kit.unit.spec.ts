import { describe, expect, it } from '@jest/globals';
import { given } from '#testing';
import {
  type AccountKitEvent,
  accountKit,
  type KitChanges,
  OPEN_POLICY,
  requireOpen,
  startingBudget,
} from './account-kit.js';

const data = {
  platform_id: 'platform-1',
  name: 'Pro',
  is_default: false,
  budget_micro_usd: 5_000_000,
  rate_limits: { requests: { limit: 10, window_seconds: 60 } },
};
const created: AccountKitEvent = { type: 'account-kit.created.v1', data };
const createdDefault: AccountKitEvent = { ...created, data: { ...data, is_default: true } };
const deleted: AccountKitEvent = { type: 'account-kit.deleted.v1', data: { platform_id: 'platform-1' } };
const closing: AccountKitEvent = { type: 'account-kit.closing.v1', data: { platform_id: 'platform-1' } };
const reopened: AccountKitEvent = { type: 'account-kit.reopened.v1', data: { platform_id: 'platform-1' } };
const updated = (changes: KitChanges): AccountKitEvent => ({
  type: 'account-kit.updated.v1',
  data: { platform_id: 'platform-1', ...changes },
});
const create = { kind: 'create', ...data } as const;
const update = (changes: KitChanges, platform_id = 'platform-1') =>
  ({ kind: 'update', platform_id, changes }) as const;
const close = (platform_id = 'platform-1') => ({ kind: 'close', platform_id }) as const;
const endClosing = (in_use: boolean, platform_id = 'platform-1') =>
  ({ kind: 'end_closing', platform_id, in_use }) as const;

describe('an account kit', () => {
  it('given nothing, is created; given the kit, changes nothing when it is created again', () => {
    given(accountKit, []).when(create).then([created]);
    given(accountKit, [created]).when(create).then([]);
    given(accountKit, [created, deleted]).when(create).then([]);
  });

  it('given changes, records only what changes', () => {
    given(accountKit, [created])
      .when(update({ name: 'Pro', budget_micro_usd: null, key_scopes: ['inference'] }))
      .then([updated({ budget_micro_usd: null, key_scopes: ['inference'] })]);
  });

  it('given other rate limits, replaces them as a whole', () => {
    const rate_limits = { tokens: { limit: 5, window_seconds: 1 } };
    given(accountKit, [created])
      .when(update({ rate_limits }))
      .then([updated({ rate_limits })]);
    given(accountKit, [created, updated({ rate_limits })])
      .when(update({ rate_limits }))
      .then([]);
  });

  it('given what it lays down without being told, changes nothing', () => {
    given(accountKit, [created])
      .when(update({ budget_period: 'monthly', key_scopes: null, allowed_providers: null }))
      .then([]);
  });

  it('given that it is to be deleted, is closed, once, and deleted where no user has it', () => {
    given(accountKit, [created]).when(close()).then([closing]);
    given(accountKit, [created, closing]).when(close()).then([]);
    given(accountKit, [created, closing]).when(endClosing(false)).then([deleted]);
    given(accountKit, [created, closing, deleted]).when(endClosing(false)).then([]);
  });

  it('given that a user has it, is as before', () => {
    given(accountKit, [created, closing]).when(endClosing(true)).then([reopened]);
    const open = [created, closing, reopened];
    given(accountKit, open).when(endClosing(false)).then([]);
    given(accountKit, open).when(endClosing(true)).then([]);
    given(accountKit, open).when(close()).then([closing]);
    given(accountKit, open)
      .when(update({ name: 'Max' }))
      .then([updated({ name: 'Max' })]);
  });

  it('given the default one, refuses to be deleted', () => {
    given(accountKit, [createdDefault]).when(close()).thenRefused('illegal_state');
  });

  it('given that it is closing, refuses changes', () => {
    given(accountKit, [created, closing])
      .when(update({ name: 'Max' }))
      .thenRefused('illegal_state');
  });

  it('given no kit, a deleted one or one of another platform, answers not_found', () => {
    for (const past of [[], [created, deleted], [created, closing, deleted]]) {
      given(accountKit, past)
        .when(update({ name: 'x' }))
        .thenRefused('not_found');
      given(accountKit, past).when(close()).thenRefused('not_found');
    }
    given(accountKit, []).when(endClosing(true)).thenRefused('not_found');
    given(accountKit, [created])
      .when(update({ name: 'x' }, 'platform-2'))
      .thenRefused('not_found');
    given(accountKit, [created]).when(close('platform-2')).thenRefused('not_found');
    given(accountKit, [created, closing]).when(endClosing(false, 'platform-2')).thenRefused('not_found');
  });

  it.each([
    ['open', [created], undefined],
    ['closing', [created, closing], 'illegal_state'],
    ['open again', [created, closing, reopened], undefined],
    ['deleted', [created, closing, deleted], 'invalid_input'],
    ['none', [], 'invalid_input'],
  ])('given that it is %s, then users are given it only where it is open', (_, past, code) => {
    const state = past.reduce((before, event) => accountKit.evolve(before, event), accountKit.initialState);
    if (code === undefined) expect(() => requireOpen(state)).not.toThrow();
    else expect(() => requireOpen(state)).toThrow(expect.objectContaining({ code }));
  });
});

describe('what a new user may spend', () => {
  it.each([
    [
      'the kit has a budget',
      { budget_micro_usd: 7, budget_period: 'none' as const },
      9,
      { limit: 7, period: 'none' },
    ],
    ['the kit has a budget of nothing', { budget_micro_usd: 0 }, 9, { limit: 0, period: 'monthly' }],
    ['only the platform has one', {}, 9, { limit: 9, period: 'monthly' }],
    [
      'only the platform has one, whatever the kit’s period',
      { budget_period: 'none' as const },
      9,
      { limit: 9, period: 'monthly' },
    ],
    ['neither has one', {}, null, null],
  ])('given that %s', (_, policy, platformDefault, expected) => {
    expect(startingBudget({ ...OPEN_POLICY, ...policy }, platformDefault)).toEqual(expected);
  });
});
