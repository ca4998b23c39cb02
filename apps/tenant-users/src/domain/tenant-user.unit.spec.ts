import { describe, it } from '@jest/globals';
import { given } from '#testing';
import { tenantUser } from './tenant-user.decide.js';
import type { CreateUser, TenantUserCreated, TenantUserDeleted, TenantUserUpdated } from './tenant-user.js';

const personal = {
  external_id: 'alice_db_uuid',
  email: 'alice@example.com',
  username: null,
  first_name: null,
  middle_name: null,
  last_name: null,
  phone_number: null,
  label: 'Alice',
  metadata: { plan: 'pro' },
};
const scope = { platform_id: 'platform-1', tenant_id: 'tenant-1' };
const standing = { role: 'member', teams: ['engineering'], account_kit_id: 'kit-1' };

const indexes = { email_index: 'email-1', metadata_index: ['plan-1'] };

const create: CreateUser = {
  kind: 'create',
  id: 'user-1',
  ...scope,
  is_default: false,
  external_id_index: 'index-1',
  opening_budget: { limit_micro_usd: 5_000_000, period: 'monthly' },
  subject_key: '7',
  indexes,
  standing,
  personal,
};
const created: TenantUserCreated = {
  type: 'tenant-user.created.v1',
  data: {
    ...scope,
    is_default: false,
    external_id_index: 'index-1',
    opening_budget: { limit_micro_usd: 5_000_000, period: 'monthly' },
    subject_key: '7',
    ...indexes,
    ...standing,
    status: 'active',
    personal,
  },
};
const createdDefault: TenantUserCreated = { ...created, data: { ...created.data, is_default: true } };
const deleted: TenantUserDeleted = {
  type: 'tenant-user.deleted.v1',
  data: { ...scope, subject_key: '7' },
};
const updated = (data: Partial<TenantUserUpdated['data']> & { changed: string[] }): TenantUserUpdated => ({
  type: 'tenant-user.updated.v1',
  data: { ...scope, subject_key: '7', status: 'active', account_kit_id: 'kit-1', ...data },
});
const update = (changes: object, tenantId = 'tenant-1', indexes = {}) =>
  ({ kind: 'update', tenant_id: tenantId, changes, indexes }) as const;
const remove = (tenantId = 'tenant-1') => ({ kind: 'delete', tenant_id: tenantId }) as const;

describe('creating a tenant user', () => {
  it('given nothing, creates an active user', () => {
    given(tenantUser, []).when(create).then([created]);
  });

  it('given a living user, refuses with duplicate_record', () => {
    given(tenantUser, [created]).when(create).thenRefused('duplicate_record');
  });

  it('given a deleted user, refuses: its stream is closed for ever', () => {
    given(tenantUser, [created, deleted]).when(create).thenRefused('illegal_state');
  });
});

describe('updating a tenant user', () => {
  it('given a user, records only the fields that change', () => {
    given(tenantUser, [created])
      .when(update({ label: 'Alice A.', email: 'alice@example.com', role: 'owner' }))
      .then([updated({ changed: ['label', 'role'], role: 'owner', personal: { label: 'Alice A.' } })]);
  });

  it('given indexes, records those of the fields that change', () => {
    const other = { email_index: 'email-2', metadata_index: ['plan-2'] };
    given(tenantUser, [created])
      .when(update({ email: 'alice@example.com', metadata: { plan: 'free' } }, 'tenant-1', other))
      .then([
        updated({
          changed: ['metadata'],
          metadata_index: ['plan-2'],
          personal: { metadata: { plan: 'free' } },
        }),
      ]);
  });

  it('given a change of standing alone, records nothing personal', () => {
    given(tenantUser, [created])
      .when(update({ status: 'suspended' }))
      .then([updated({ changed: ['status'], status: 'suspended' })]);
  });

  it('given equal values, changes nothing', () => {
    given(tenantUser, [created])
      .when(update({ metadata: { plan: 'pro' }, teams: ['engineering'] }))
      .then([]);
  });

  it('given null, clears the field', () => {
    given(tenantUser, [created])
      .when(update({ email: null }))
      .then([updated({ changed: ['email'], personal: { email: null } })]);
  });

  it('given other metadata, replaces it as a whole', () => {
    given(tenantUser, [created, updated({ changed: ['metadata'], personal: { metadata: { a: 1 } } })])
      .when(update({ metadata: { b: 2 } }))
      .then([updated({ changed: ['metadata'], personal: { metadata: { b: 2 } } })]);
  });

  it('given another tenant, answers as if there were no user', () => {
    given(tenantUser, [created])
      .when(update({ label: 'x' }, 'tenant-2'))
      .thenRefused('not_found');
  });

  it('given a deleted user, answers not_found', () => {
    given(tenantUser, [created, deleted])
      .when(update({ label: 'x' }))
      .thenRefused('not_found');
  });
});

describe('deleting a tenant user', () => {
  it('given a user, deletes it', () => {
    given(tenantUser, [created]).when(remove()).then([deleted]);
  });

  it("given the tenant's default user, refuses with illegal_state", () => {
    given(tenantUser, [createdDefault]).when(remove()).thenRefused('illegal_state');
  });

  it("given the tenant's default user, deletes it with the whole tenant", () => {
    given(tenantUser, [createdDefault])
      .when({ ...remove(), with_tenant: true })
      .then([deleted]);
    given(tenantUser, [createdDefault])
      .when({ ...remove('tenant-2'), with_tenant: true })
      .thenRefused('not_found');
  });

  it('given a deleted user, answers not_found', () => {
    given(tenantUser, [created, deleted]).when(remove()).thenRefused('not_found');
  });

  it('given another tenant, answers as if there were no user', () => {
    given(tenantUser, [created]).when(remove('tenant-2')).thenRefused('not_found');
  });
});

describe('the username of a tenant user', () => {
  const claim = { index: 'alice', claim_id: '1' };
  const named: TenantUserCreated = {
    ...created,
    data: { ...created.data, username_claim: claim, personal: { ...personal, username: 'alice' } },
  };
  const fence = (username_index: string) => ({ kind: 'fence', ...scope, username_index }) as const;
  const fenced = updated({ changed: [], username_fenced: true });
  const renamed = (username: string, to: typeof claim | null) =>
    updated({ changed: ['username'], username_claim: to, personal: { username } });
  const rename = (username: string, epoch: number, to = claim) =>
    ({ ...update({ username }), username: { epoch, claim: to } }) as const;

  it('given a claim, is created with it', () => {
    const command = { ...create, username_claim: claim, personal: { ...personal, username: 'alice' } };
    given(tenantUser, []).when(command).then([named]);
  });

  it('given the epoch that it was claimed in, changes with its claim', () => {
    const other = { index: 'bob', claim_id: '2' };
    given(tenantUser, [named])
      .when(rename('bob', 0, other))
      .then([renamed('bob', other)]);
    given(tenantUser, [named, renamed('bob', other)])
      .when(rename('alice', 1))
      .then([renamed('alice', claim)]);
  });

  it('given no claim, or one from before another change or a fence, refuses with conflict', () => {
    given(tenantUser, [named])
      .when(update({ username: 'bob' }))
      .thenRefused('conflict');
    for (const between of [fenced, renamed('carol', { index: 'carol', claim_id: '3' })]) {
      given(tenantUser, [named, between]).when(rename('bob', 0)).thenRefused('conflict');
    }
    given(tenantUser, [named, updated({ changed: ['role'], role: 'owner' })])
      .when(rename('bob', 0))
      .then([renamed('bob', claim)]);
  });

  it('given a user who has it, is not fenced; another is', () => {
    given(tenantUser, [named]).when(fence('alice')).then([]);
    given(tenantUser, [named]).when(fence('bob')).then([fenced]);
    given(tenantUser, [named, deleted]).when(fence('bob')).then([]);
  });

  it('given nobody, is fenced by an end that nobody can begin after', () => {
    const abandoned = { type: 'tenant-user.abandoned.v1', data: scope } as const;
    given(tenantUser, []).when(fence('alice')).then([abandoned]);
    given(tenantUser, [abandoned]).when(fence('alice')).then([]);
    given(tenantUser, [abandoned]).when(create).thenRefused('illegal_state');
    given(tenantUser, [abandoned]).when(remove()).thenRefused('not_found');
  });

  it('given its user is deleted, is told, so that it can be released', () => {
    const last = { ...deleted, data: { ...deleted.data, username_claim: claim } };
    given(tenantUser, [named]).when(remove()).then([last]);
  });
});
