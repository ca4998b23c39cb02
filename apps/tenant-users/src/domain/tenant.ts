import type { Decider, DomainEvent } from '#kernel';

export type TenantEvent = DomainEvent<
  'tenant.created.v1',
  { platform_id: string; name: string; is_default: boolean; default_user_id: string }
>;

export type TenantState = { lifecycle: 'absent' } | ({ lifecycle: 'alive' } & TenantEvent['data']);

export type TenantCommand = { kind: 'create' } & TenantEvent['data'];

/** One customer of a platform. Creating it again under the same id changes nothing. */
export const tenant: Decider<TenantState, TenantCommand, TenantEvent> = {
  category: 'tenant',
  initialState: { lifecycle: 'absent' },
  decide: ({ kind: _, ...data }, state) =>
    state.lifecycle === 'alive' ? [] : [{ type: 'tenant.created.v1', data }],
  evolve: (_, event) => ({ lifecycle: 'alive', ...event.data }),
};
