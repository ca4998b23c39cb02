import { type Decider, illegalState, notFound, snapshotFormat, TenantryError } from '#kernel';
import { differing } from './differing.js';
import {
  type CreateUser,
  type DeleteUser,
  type FenceUsername,
  type LivingTenantUser,
  PERSONAL_FIELDS,
  type PersonalData,
  STANDING_FIELDS,
  type Standing,
  type TenantUserCommand,
  type TenantUserEvent,
  type TenantUserState,
  type UpdateUser,
  type UserChanges,
} from './tenant-user.js';

const EMPTY_PERSONAL: PersonalData = {
  external_id: null,
  email: null,
  username: null,
  first_name: null,
  middle_name: null,
  last_name: null,
  phone_number: null,
  label: null,
  metadata: {},
};

/** A user of a tenant: created once, changed while alive, deleted once and for ever. */
export const tenantUser: Decider<TenantUserState, TenantUserCommand, TenantUserEvent> = {
  category: 'tenantUser',
  initialState: { lifecycle: 'absent' },
  snapshot: snapshotFormat({
    version: 1,
    subjectKey: (state) => (state.lifecycle === 'alive' ? state.subject_key : null),
  }),

  decide(command, state) {
    switch (command.kind) {
      case 'create':
        return create(command, state);
      case 'update':
        return update(command, alive(state, command.tenant_id));
      case 'delete':
        return remove(command, alive(state, command.tenant_id));
      case 'fence':
        return fence(command, state);
    }
  },

  evolve(state, event) {
    switch (event.type) {
      case 'tenant-user.created.v1': {
        const { platform_id, tenant_id, is_default, subject_key, personal, ...data } = event.data;
        const { role, teams, status, account_kit_id, username_claim = null } = data;
        const standing = { role, teams, status, account_kit_id };
        const identity = { platform_id, tenant_id, is_default, subject_key };
        const username = { username_claim, username_epoch: 0 };
        return {
          lifecycle: 'alive',
          ...identity,
          ...standing,
          ...username,
          personal: personal ?? EMPTY_PERSONAL,
        };
      }
      case 'tenant-user.updated.v1':
        return state.lifecycle === 'alive' ? changed(state, event.data) : state;
      case 'tenant-user.deleted.v1':
        return { lifecycle: 'deleted', ...event.data };
      case 'tenant-user.abandoned.v1':
        return { lifecycle: 'abandoned', ...event.data };
    }
  },
};

function create(command: CreateUser, state: TenantUserState): TenantUserEvent[] {
  if (state.lifecycle === 'alive') {
    // An id follows from the tenant and the external_id, so that it can't name a user of another tenant.
    if (state.tenant_id !== command.tenant_id) throw new Error('a user id is taken in another tenant');
    throw new TenantryError('duplicate_record', 'external_id is taken in this tenant', {
      existingId: command.id,
      errors: [{ field: 'external_id', message: 'is taken in this tenant' }],
    });
  }
  if (state.lifecycle !== 'absent') throw illegalState('this user was deleted');
  if (command.personal.username !== null && !command.username_claim) {
    throw new Error('a username was not claimed');
  }
  const { kind: _, id: _id, indexes, standing, ...rest } = command;
  return [
    {
      type: 'tenant-user.created.v1',
      data: { ...rest, ...indexes, ...standing, status: 'active' },
    },
  ];
}

function update({ changes, indexes, username }: UpdateUser, state: LivingTenantUser): TenantUserEvent[] {
  const personal = differing(picked(PERSONAL_FIELDS, changes), state.personal);
  const standing = differing(picked(STANDING_FIELDS, changes), state);
  const names = [...Object.keys(personal), ...Object.keys(standing)];
  if (names.length === 0) return [];
  const { platform_id, tenant_id, subject_key, status, account_kit_id } = state;
  const data = { platform_id, tenant_id, subject_key, status, account_kit_id, changed: names, ...standing };
  if (Object.keys(personal).length === 0) return [{ type: 'tenant-user.updated.v1', data }];
  if ('username' in personal && username?.epoch !== state.username_epoch) {
    throw new TenantryError('conflict', 'the username is being changed at the same time');
  }
  const { email_index, metadata_index } = indexes;
  const indexed = {
    ...('username' in personal && { username_claim: username?.claim ?? null }),
    ...('email' in personal && email_index !== undefined && { email_index }),
    ...('metadata' in personal && metadata_index !== undefined && { metadata_index }),
  };
  return [{ type: 'tenant-user.updated.v1', data: { ...data, ...indexed, personal } }];
}

function remove({ with_tenant = false }: DeleteUser, state: LivingTenantUser): TenantUserEvent[] {
  if (state.is_default && !with_tenant) throw illegalState("the tenant's default user cannot be deleted");
  const { platform_id, tenant_id, subject_key, username_claim } = state;
  const data = { platform_id, tenant_id, subject_key, ...(username_claim && { username_claim }) };
  return [{ type: 'tenant-user.deleted.v1', data }];
}

function fence(
  { platform_id, tenant_id, username_index }: FenceUsername,
  state: TenantUserState,
): TenantUserEvent[] {
  if (state.lifecycle === 'absent') {
    return [{ type: 'tenant-user.abandoned.v1', data: { platform_id, tenant_id } }];
  }
  if (state.lifecycle !== 'alive' || state.username_claim?.index === username_index) return [];
  const { subject_key, status, account_kit_id } = state;
  const data = { platform_id, tenant_id, subject_key, status, account_kit_id, changed: [] };
  return [{ type: 'tenant-user.updated.v1', data: { ...data, username_fenced: true } }];
}

/** A user of another tenant is as good as none. */
function alive(state: TenantUserState, tenantId: string): LivingTenantUser {
  if (state.lifecycle !== 'alive' || state.tenant_id !== tenantId) throw notFound('user');
  return state;
}

/** The fields of `changes` among `names`; an external_id is never there, since it cannot change. */
function picked<Name extends keyof (PersonalData & Standing)>(
  names: readonly Name[],
  changes: UserChanges,
): Partial<Pick<PersonalData & Standing, Name>> {
  const given: Partial<PersonalData & Standing> = changes;
  return Object.fromEntries(names.map((name) => [name, given[name]])) as Partial<
    Pick<PersonalData & Standing, Name>
  >;
}

type Updated = Extract<TenantUserEvent, { type: 'tenant-user.updated.v1' }>['data'];

function changed(state: LivingTenantUser, data: Updated): LivingTenantUser {
  const { changed: _, email_index: _e, metadata_index: _m, username_fenced, personal, ...rest } = data;
  const isOver = username_fenced === true || rest.username_claim !== undefined;
  const username_epoch = state.username_epoch + (isOver ? 1 : 0);
  return { ...state, ...rest, username_epoch, personal: { ...state.personal, ...personal } };
}
