import { describe, it } from '@jest/globals';
import { given } from '#testing';
import { type TenantChanges, type TenantEvent, tenant } from './tenant.js';

const data = {
  platform_id: 'platform-1',
  name: 'Globex',
  is_default: false,
  default_user_id: 'user-1',
  external_id: 'customer-7',
  settings: { plan: 'pro' },
};
const created: TenantEvent = { type: 'tenant.created.v1', data };
const updated = (changes: TenantChanges): TenantEvent => ({
  type: 'tenant.updated.v1',
  data: { platform_id: 'platform-1', ...changes },
});
const create = { kind: 'create', ...data } as const;
const update = (changes: TenantChanges, platform_id = 'platform-1') =>
  ({ kind: 'update', platform_id, changes }) as const;

describe('a tenant', () => {
  it('given nothing, is created', () => {
    given(tenant, []).when(create).then([created]);
  });

  it('given the tenant, changes nothing when it is created again', () => {
    given(tenant, [created]).when(create).then([]);
  });

  it('given nothing, is fenced by an end that no tenant can begin after', () => {
    const fence = { kind: 'fence', platform_id: 'platform-1' } as const;
    const abandoned: TenantEvent = { type: 'tenant.abandoned.v1', data: { platform_id: 'platform-1' } };
    given(tenant, []).when(fence).then([abandoned]);
    given(tenant, [abandoned]).when(create).thenRefused('illegal_state');
    for (const past of [[abandoned], [created]]) given(tenant, past).when(fence).then([]);
  });

  it('given the default tenant, changes nothing when it is created again', () => {
    const { external_id: _, settings: __, ...old } = data;
    const first: TenantEvent = { type: 'tenant.created.v1', data: { ...old, is_default: true } };
    given(tenant, [first])
      .when({ ...create, is_default: true })
      .then([]);
    given(tenant, [first])
      .when(update({ settings: {} }))
      .then([]);
  });

  it('given changes, records only what changes', () => {
    given(tenant, [created])
      .when(update({ name: 'Globex Inc.', settings: { plan: 'pro' } }))
      .then([updated({ name: 'Globex Inc.' })]);
  });

  it('given other settings, replaces them as a whole', () => {
    given(tenant, [created, updated({ settings: { a: 1 } })])
      .when(update({ settings: { b: 2 } }))
      .then([updated({ settings: { b: 2 } })]);
  });

  it('given nothing that differs, changes nothing', () => {
    given(tenant, [created, updated({ name: 'Globex Inc.' })])
      .when(update({ name: 'Globex Inc.' }))
      .then([]);
  });

  it('given no tenant, or one of another platform, answers not_found', () => {
    given(tenant, [])
      .when(update({ name: 'x' }))
      .thenRefused('not_found');
    given(tenant, [created])
      .when(update({ name: 'x' }, 'platform-2'))
      .thenRefused('not_found');
  });

  describe('deleted', () => {
    const deleted: TenantEvent = { type: 'tenant.deleted.v1', data: { platform_id: 'platform-1' } };
    const remove = (platform_id = 'platform-1') => ({ kind: 'delete', platform_id }) as const;

    it('given the tenant, ends it', () => {
      given(tenant, [created]).when(remove()).then([deleted]);
    });

    it('given the default tenant, refuses', () => {
      const first: TenantEvent = { type: 'tenant.created.v1', data: { ...data, is_default: true } };
      given(tenant, [first]).when(remove()).thenRefused('illegal_state');
    });

    it('given no tenant, or one of another platform, answers not_found', () => {
      given(tenant, []).when(remove()).thenRefused('not_found');
      given(tenant, [created]).when(remove('platform-2')).thenRefused('not_found');
    });

    it('given its end, is not found again, and its id can never be taken again', () => {
      given(tenant, [created, deleted]).when(remove()).thenRefused('not_found');
      given(tenant, [created, deleted])
        .when(update({ name: 'x' }))
        .thenRefused('not_found');
      given(tenant, [created, deleted]).when(create).thenRefused('illegal_state');
    });
  });
});
