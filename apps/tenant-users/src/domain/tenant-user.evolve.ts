import type {
  LivingTenantUser,
  TenantUserCreatedV1,
  TenantUserEvent,
  TenantUserState,
  TenantUserUpdatedV1,
} from './tenant-user.js';

export function evolve(state: TenantUserState, event: TenantUserEvent): TenantUserState {
  switch (event.type) {
    case 'tenant-user.created.v2': {
      const { opening_budget: _, sealed_personal = null, ...data } = event.data;
      return { lifecycle: 'alive', ...data, sealed_personal };
    }
    case 'tenant-user.updated.v2': {
      const { status, account_kit_id, personal, sealed_personal = null } = event.data;
      return state.lifecycle === 'alive'
        ? { ...state, status, account_kit_id, personal, sealed_personal }
        : state;
    }
    case 'tenant-user.created.v1':
      return createdV1(event.data);
    case 'tenant-user.updated.v1':
      return state.lifecycle === 'alive' ? updatedV1(state, event.data) : state;
    case 'tenant-user.deleted.v1': {
      const { platform_id, tenant_id, subject_key } = event.data;
      return { lifecycle: 'deleted', platform_id, tenant_id, subject_key };
    }
    case 'tenant-user.abandoned.v1':
      return { lifecycle: 'abandoned', ...event.data };
  }
}

/** Its text lacks what was in clear, so that it is no whole one to carry on. */
function createdV1(data: TenantUserCreatedV1['data']): LivingTenantUser {
  const { platform_id, tenant_id, is_default, subject_key, status, account_kit_id } = data;
  const { role, teams, personal } = data;
  return {
    lifecycle: 'alive',
    platform_id,
    tenant_id,
    is_default,
    subject_key,
    status,
    account_kit_id,
    personal: personal && { ...personal, role, teams },
    sealed_personal: null,
  };
}

/** Where its part of the text can't be opened, nobody knows what the whole is. */
function updatedV1(state: LivingTenantUser, data: TenantUserUpdatedV1['data']): LivingTenantUser {
  const { status, account_kit_id, role, teams, personal } = data;
  const inClear = { ...(role !== undefined && { role }), ...(teams !== undefined && { teams }) };
  const whole =
    personal === null || state.personal === null ? null : { ...state.personal, ...inClear, ...personal };
  return { ...state, status, account_kit_id, personal: whole, sealed_personal: null };
}
