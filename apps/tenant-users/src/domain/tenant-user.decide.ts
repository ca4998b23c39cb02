import { type Decider, illegalState, notFound, snapshotFormat } from '#kernel';
import { differing } from './differing.js';
import { userStanding } from './identifiers.js';
import { evolve } from './tenant-user.evolve.js';
import {
  type CreateUser,
  type DeleteUser,
  type FenceUser,
  type LivingTenantUser,
  PERSONAL_FIELDS,
  type PersonalData,
  STANDING_FIELDS,
  type Standing,
  type TenantUserCommand,
  type TenantUserEvent,
  type TenantUserState,
  type TenantUserUpdated,
  type UpdateUser,
  type UserChanges,
} from './tenant-user.js';

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

  evolve,
};

function create({ kind: _, ...data }: CreateUser, state: TenantUserState): TenantUserEvent[] {
  if (state.lifecycle === 'absent') {
    return [{ type: 'tenant-user.created.v2', data: { ...data, status: 'active' } }];
  }
  if (state.lifecycle !== 'alive') throw illegalState('this user was deleted');
  if (state.tenant_id !== data.tenant_id) throw new Error('a user id is taken in another tenant');
  return [];
}

function update({ changes }: UpdateUser, state: LivingTenantUser): TenantUserEvent[] {
  const wanted = picked(PERSONAL_FIELDS, changes);
  if (state.personal === null && Object.values(wanted).some((value) => value !== undefined)) {
    throw illegalState("this user's personal data cannot be read, and so not be changed");
  }
  const personal = differing(wanted, state.personal ?? {});
  const standing = differing(picked(STANDING_FIELDS, changes), state);
  const changed = [...Object.keys(personal), ...Object.keys(standing)];
  if (changed.length === 0) return [];
  const next = { ...unchanged(state), ...standing, changed };
  if (state.personal === null || Object.keys(personal).length === 0) return [updated(next)];
  const { sealed_personal: _, ...data } = next;
  return [updated({ ...data, personal: { ...state.personal, ...personal } })];
}

function remove({ with_tenant = false }: DeleteUser, state: LivingTenantUser): TenantUserEvent[] {
  if (state.is_default && !with_tenant) throw illegalState("the tenant's default user cannot be deleted");
  const { platform_id, tenant_id, subject_key } = state;
  return [{ type: 'tenant-user.deleted.v1', data: { platform_id, tenant_id, subject_key } }];
}

function fence({ platform_id, tenant_id, identifier }: FenceUser, state: TenantUserState): TenantUserEvent[] {
  if (state.lifecycle === 'absent') {
    return [{ type: 'tenant-user.abandoned.v1', data: { platform_id, tenant_id } }];
  }
  const isOpen = state.lifecycle === 'alive' && userStanding(state, identifier) === 'open';
  return isOpen ? [updated({ ...unchanged(state), changed: [] })] : [];
}

const updated = (data: TenantUserUpdated['data']): TenantUserUpdated => ({
  type: 'tenant-user.updated.v2',
  data,
});

/** What every event says of the user, with the text as it is stored. */
function unchanged(state: LivingTenantUser): Omit<TenantUserUpdated['data'], 'changed'> {
  const { platform_id, tenant_id, subject_key, status, account_kit_id, personal, sealed_personal } = state;
  const text = { subject_key, personal, ...(sealed_personal !== null && { sealed_personal }) };
  return { platform_id, tenant_id, status, account_kit_id, ...text };
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
