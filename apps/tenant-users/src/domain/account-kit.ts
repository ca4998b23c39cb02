import type { Decider, DomainEvent } from '#kernel';

export type AccountKitEvent = DomainEvent<
  'account-kit.created.v1',
  { platform_id: string; name: string; is_default: boolean }
>;

export type AccountKitState = { lifecycle: 'absent' } | ({ lifecycle: 'alive' } & AccountKitEvent['data']);

export type AccountKitCommand = { kind: 'create' } & AccountKitEvent['data'];

/** The named policy that governs users. Creating it again under the same id changes nothing. */
export const accountKit: Decider<AccountKitState, AccountKitCommand, AccountKitEvent> = {
  category: 'accountKit',
  initialState: { lifecycle: 'absent' },
  decide: ({ kind: _, ...data }, state) =>
    state.lifecycle === 'alive' ? [] : [{ type: 'account-kit.created.v1', data }],
  evolve: (_, event) => ({ lifecycle: 'alive', ...event.data }),
};
