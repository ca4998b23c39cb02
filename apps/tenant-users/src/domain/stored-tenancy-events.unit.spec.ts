import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import type { Decider, DomainEvent } from '#kernel';
import { accountKit } from './account-kit.js';
import { platform } from './platform.js';
import { platformKey } from './platform-key.js';
import { tenant } from './tenant.js';

const FIXTURES = new URL('./fixtures/tenancy/', import.meta.url);

/** Each version of each event as the log holds it; these files never change. */
const stored = (type: string) => ({
  type,
  data: JSON.parse(readFileSync(new URL(`${type}.json`, FIXTURES), 'utf8')),
});

const platform_id = '01943a3e-0000-7000-8000-000000000001';
const tenant_id = '01943a3e-0000-7000-8000-000000000002';
const default_user_id = '01943a3e-0000-7000-8000-000000000003';

const platformState = {
  lifecycle: 'alive',
  name: 'Acme',
  settings: { default_budget_micro_usd: null, default_role: 'member' },
  default_tenant_id: tenant_id,
  default_user_id,
  default_account_kit_id: '01943a3e-0000-7000-8000-000000000004',
};
const tenantState = {
  lifecycle: 'alive',
  platform_id,
  name: 'Globex',
  is_default: false,
  default_user_id,
  external_id: 'customer-7',
  settings: { plan: 'pro' },
};
const kitState = {
  lifecycle: 'alive',
  platform_id,
  name: 'Pro',
  is_default: false,
  budget_micro_usd: 25_000_000,
  budget_period: 'none',
  key_scopes: ['inference'],
  rate_limits: { requests: { limit: 100, window_seconds: 60 } },
  allowed_providers: ['github'],
};
const updatedKit = { ...kitState, name: 'Max', budget_micro_usd: null, key_scopes: null };
const keyState = { lifecycle: 'active', ...stored('platform-key.issued.v1').data };

const LIVES: [string, Decider<unknown, never, DomainEvent>, [string, object][]][] = [
  [
    'a platform',
    platform as Decider<unknown, never, DomainEvent>,
    [
      ['platform.created.v1', platformState],
      [
        'platform.updated.v1',
        {
          ...platformState,
          name: 'Acme AI',
          settings: { default_budget_micro_usd: 5_000_000, default_role: 'member' },
        },
      ],
    ],
  ],
  [
    'a tenant',
    tenant as Decider<unknown, never, DomainEvent>,
    [
      ['tenant.created.v1', tenantState],
      ['tenant.updated.v1', { ...tenantState, name: 'Globex Inc.', settings: { plan: 'max' } }],
      ['tenant.deleted.v1', { lifecycle: 'deleted', platform_id }],
    ],
  ],
  [
    'a tenant that never came',
    tenant as Decider<unknown, never, DomainEvent>,
    [['tenant.abandoned.v1', { lifecycle: 'deleted', platform_id }]],
  ],
  [
    'an account kit',
    accountKit as Decider<unknown, never, DomainEvent>,
    [
      ['account-kit.created.v1', kitState],
      ['account-kit.updated.v1', updatedKit],
      ['account-kit.closing.v1', { ...updatedKit, lifecycle: 'closing' }],
      ['account-kit.reopened.v1', updatedKit],
      ['account-kit.deleted.v1', { ...updatedKit, lifecycle: 'deleted' }],
    ],
  ],
  [
    'a platform key',
    platformKey as Decider<unknown, never, DomainEvent>,
    [
      ['platform-key.issued.v1', keyState],
      ['platform-key.revoked.v1', { ...keyState, lifecycle: 'revoked' }],
    ],
  ],
];

describe('stored events of platforms, tenants, kits and keys', () => {
  it.each(LIVES)('given the life of %s, then each still loads', (_, decider, life) => {
    let state = decider.initialState;
    for (const [type, expected] of life) {
      state = decider.evolve(state, stored(type));
      expect(state).toEqual(expected);
    }
  });

  it('given a tenant and a kit as they were first stored, then what came later has its default', () => {
    const first = { platform_id, name: 'Default', is_default: true };
    const oldTenant = { ...first, default_user_id };
    expect(tenant.evolve(tenant.initialState, { type: 'tenant.created.v1', data: oldTenant })).toMatchObject({
      ...oldTenant,
      settings: {},
    });
    expect(
      accountKit.evolve(accountKit.initialState, { type: 'account-kit.created.v1', data: first }),
    ).toEqual({
      lifecycle: 'alive',
      ...first,
      budget_micro_usd: null,
      budget_period: 'monthly',
      key_scopes: null,
      rate_limits: {},
      allowed_providers: null,
    });
  });

  it('given a stored version, then it is among those that are loaded', () => {
    const types = readdirSync(FIXTURES).map((file) => file.replace(/\.json$/, ''));
    expect(types.sort()).toEqual(LIVES.flatMap(([, , life]) => life.map(([type]) => type)).sort());
  });
});
