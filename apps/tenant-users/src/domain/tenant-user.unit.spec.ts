import { describe, expect, it } from '@jest/globals';
import { given } from '#testing';
import { tenantUser } from './tenant-user.decide.js';
import type {
  CreateUser,
  PersonalData,
  TenantUserCreated,
  TenantUserCreatedV1,
  TenantUserDeleted,
  TenantUserUpdated,
} from './tenant-user.js';

const personal: PersonalData = {
  external_id: 'alice_db_uuid',
  email: 'alice@example.com',
  username: 'Alice',
  first_name: null,
  middle_name: null,
  last_name: null,
  phone_number: null,
  label: 'Alice',
  metadata: { plan: 'pro' },
  role: 'member',
  teams: ['engineering'],
};
const scope = { platform_id: 'platform-1', tenant_id: 'tenant-1' };

const create: CreateUser = {
  kind: 'create',
  ...scope,
  is_default: false,
  opening_budget: { limit_micro_usd: 5_000_000, period: 'monthly' },
  account_kit_id: 'kit-1',
  subject_key: '7',
  personal,
};
const created: TenantUserCreated = {
  type: 'tenant-user.created.v2',
  data: {
    ...scope,
    is_default: false,
    opening_budget: { limit_micro_usd: 5_000_000, period: 'monthly' },
    account_kit_id: 'kit-1',
    status: 'active',
    subject_key: '7',
    personal,
  },
};
/** As it comes back from the log. */
const read = (text: Pick<TenantUserCreated['data'], 'personal'> = { personal }): TenantUserCreated => ({
  ...created,
  data: { ...created.data, ...text, sealed_personal: 'v2.7.text' },
});
const createdDefault: TenantUserCreated = { ...created, data: { ...created.data, is_default: true } };
const deleted: TenantUserDeleted = {
  type: 'tenant-user.deleted.v1',
  data: { ...scope, subject_key: '7' },
};
const updated = (data: Partial<TenantUserUpdated['data']> & { changed: string[] }): TenantUserUpdated => ({
  type: 'tenant-user.updated.v2',
  data: { ...scope, subject_key: '7', status: 'active', account_kit_id: 'kit-1', personal, ...data },
});
const update = (changes: object, tenantId = 'tenant-1') =>
  ({ kind: 'update', tenant_id: tenantId, changes }) as const;
const remove = (tenantId = 'tenant-1') => ({ kind: 'delete', tenant_id: tenantId }) as const;

describe('creating a tenant user', () => {
  it('given nothing, creates an active user', () => {
    given(tenantUser, []).when(create).then([created]);
  });

  it('given a living user, changes nothing', () => {
    given(tenantUser, [created]).when(create).then([]);
  });

  it('given a deleted user, refuses: its stream is closed for ever', () => {
    given(tenantUser, [created, deleted]).when(create).thenRefused('illegal_state');
  });
});

describe('updating a tenant user', () => {
  it('given a user, names the fields that change and has the whole text', () => {
    given(tenantUser, [read()])
      .when(update({ label: 'Alice A.', email: 'alice@example.com', role: 'owner' }))
      .then([
        updated({ changed: ['label', 'role'], personal: { ...personal, label: 'Alice A.', role: 'owner' } }),
      ]);
  });

  it('given a change of standing alone, carries the text on as it is stored', () => {
    given(tenantUser, [read()])
      .when(update({ status: 'suspended', account_kit_id: 'kit-2' }))
      .then([
        updated({
          changed: ['status', 'account_kit_id'],
          status: 'suspended',
          account_kit_id: 'kit-2',
          sealed_personal: 'v2.7.text',
        }),
      ]);
  });

  it('given equal values, changes nothing', () => {
    given(tenantUser, [read()])
      .when(update({ metadata: { plan: 'pro' }, teams: ['engineering'], status: 'active' }))
      .then([]);
  });

  it('given null, clears the field', () => {
    given(tenantUser, [read()])
      .when(update({ email: null }))
      .then([updated({ changed: ['email'], personal: { ...personal, email: null } })]);
  });

  it('given other metadata, replaces it as a whole', () => {
    const before = updated({ changed: ['metadata'], personal: { ...personal, metadata: { a: 1 } } });
    given(tenantUser, [created, before])
      .when(update({ metadata: { b: 2 } }))
      .then([updated({ changed: ['metadata'], personal: { ...personal, metadata: { b: 2 } } })]);
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

describe('a tenant user whose text cannot be opened', () => {
  const unreadable = read({ personal: null });

  it('is suspended with its text carried on, and deleted', () => {
    const suspended = updated({
      changed: ['status'],
      status: 'suspended',
      personal: null,
      sealed_personal: 'v2.7.text',
    });
    given(tenantUser, [unreadable])
      .when(update({ status: 'suspended' }))
      .then([suspended]);
    given(tenantUser, [unreadable, suspended]).when(remove()).then([deleted]);
  });

  it('has nothing personal changed, which would lose what it holds', () => {
    given(tenantUser, [unreadable])
      .when(update({ label: 'x', status: 'suspended' }))
      .thenRefused('illegal_state');
  });
});

describe('a tenant user of the first version', () => {
  const { role, teams, ...sealed } = personal;
  const { personal: _, ...rest } = created.data;
  const first = (text: TenantUserCreatedV1['data']['personal']): TenantUserCreatedV1 => ({
    type: 'tenant-user.created.v1',
    data: { ...rest, role, teams, personal: text, sealed_personal: 'v1.7.text' },
  });
  const changedRole = {
    type: 'tenant-user.updated.v1',
    data: { ...updated({ changed: ['role'] }).data, role: 'owner', personal: undefined },
  } as never;

  it('has its text sealed as a whole by its next event, role and teams among it', () => {
    given(tenantUser, [first(sealed), changedRole])
      .when(update({ status: 'suspended' }))
      .then([
        updated({ changed: ['status'], status: 'suspended', personal: { ...personal, role: 'owner' } }),
      ]);
  });

  it('can be suspended and deleted where its text, or a part of it, cannot be opened', () => {
    const part = {
      type: 'tenant-user.updated.v1',
      data: { ...updated({ changed: ['label'] }).data, personal: null, sealed_personal: 'v1.7.part' },
    } as never;
    for (const past of [[first(null)], [first(sealed), part]]) {
      given(tenantUser, past)
        .when(update({ status: 'suspended' }))
        .then([updated({ changed: ['status'], status: 'suspended', personal: null })]);
      given(tenantUser, past).when(remove()).then([deleted]);
    }
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

describe('fencing a tenant user', () => {
  const fence = (kind: 'user.username' | 'user.external_id', value: string) =>
    ({ kind: 'fence', ...scope, identifier: { kind, scope: 'tenant-1', value } }) as const;

  it('given a user who has the value, in any spelling of a username, changes nothing', () => {
    given(tenantUser, [read()]).when(fence('user.username', 'aLICE')).then([]);
    given(tenantUser, [read()]).when(fence('user.external_id', 'alice_db_uuid')).then([]);
    given(tenantUser, [read({ personal: null })])
      .when(fence('user.username', 'bob'))
      .then([]);
    given(tenantUser, [created, deleted]).when(fence('user.username', 'bob')).then([]);
  });

  it('given another value, an event comes before whatever else does', () => {
    const fenced = updated({ changed: [], sealed_personal: 'v2.7.text' });
    for (const value of [fence('user.username', 'bob'), fence('user.external_id', 'Alice_db_uuid')]) {
      given(tenantUser, [read()]).when(value).then([fenced]);
    }
    const before = tenantUser.evolve(tenantUser.initialState, read());
    expect(tenantUser.evolve(before, fenced)).toEqual(before);
  });

  it('given nobody, is an end that nobody can begin after', () => {
    const abandoned = { type: 'tenant-user.abandoned.v1', data: scope } as const;
    given(tenantUser, []).when(fence('user.username', 'alice')).then([abandoned]);
    given(tenantUser, [abandoned]).when(fence('user.username', 'alice')).then([]);
    given(tenantUser, [abandoned]).when(create).thenRefused('illegal_state');
    given(tenantUser, [abandoned]).when(remove()).thenRefused('not_found');
  });
});
