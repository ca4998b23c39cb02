import { describe, it } from '@jest/globals';
import { given } from '#testing';
import { type PlatformChanges, type PlatformEvent, platform } from './platform.js';

const data = {
  name: 'Acme',
  settings: { default_budget_micro_usd: 5_000_000, default_role: 'member' },
  default_tenant_id: 'tenant-1',
  default_user_id: 'user-1',
  default_account_kit_id: 'kit-1',
};
const created: PlatformEvent = { type: 'platform.created.v1', data };
const updated = (changes: PlatformChanges): PlatformEvent => ({
  type: 'platform.updated.v1',
  data: changes,
});
const update = (changes: PlatformChanges) => ({ kind: 'update', changes }) as const;

describe('a platform', () => {
  it('given nothing, is created once', () => {
    given(platform, [])
      .when({ kind: 'create', ...data })
      .then([created]);
    given(platform, [created])
      .when({ kind: 'create', ...data })
      .thenRefused('illegal_state');
  });

  it('given changes, records only what changes', () => {
    given(platform, [created])
      .when(update({ name: 'Acme AI', settings: { default_role: 'member' } }))
      .then([updated({ name: 'Acme AI' })]);
    given(platform, [created])
      .when(
        update({ name: 'Acme', settings: { default_role: 'guest', default_budget_micro_usd: 5_000_000 } }),
      )
      .then([updated({ settings: { default_role: 'guest' } })]);
  });

  it('given null for the budget, clears it and keeps the role', () => {
    const cleared = updated({ settings: { default_budget_micro_usd: null } });
    given(platform, [created])
      .when(update({ settings: { default_budget_micro_usd: null } }))
      .then([cleared]);
    given(platform, [created, cleared])
      .when(update({ settings: { default_budget_micro_usd: null, default_role: 'member' } }))
      .then([]);
  });

  it('given nothing that differs, changes nothing', () => {
    given(platform, [created]).when(update({})).then([]);
    given(platform, [created, updated({ name: 'Acme AI' })])
      .when(update({ name: 'Acme AI' }))
      .then([]);
  });

  it('given no platform, answers not_found', () => {
    given(platform, [])
      .when(update({ name: 'x' }))
      .thenRefused('not_found');
  });
});
