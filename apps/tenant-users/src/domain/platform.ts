import { type Decider, type DomainEvent, illegalState } from '#kernel';

export interface PlatformSettings {
  /** Micro-USD; null gives new users no budget. */
  default_budget_micro_usd: number | null;
  default_role: string;
}

export type PlatformEvent = DomainEvent<
  'platform.created.v1',
  {
    name: string;
    settings: PlatformSettings;
    /** What the platform has from the start; made by the provisioning policy under these ids. */
    default_tenant_id: string;
    default_user_id: string;
    default_account_kit_id: string;
  }
>;

export type PlatformState = { lifecycle: 'absent' } | ({ lifecycle: 'alive' } & PlatformEvent['data']);

export type PlatformCommand = { kind: 'create' } & PlatformEvent['data'];

export const platform: Decider<PlatformState, PlatformCommand, PlatformEvent> = {
  category: 'platform',
  initialState: { lifecycle: 'absent' },
  decide({ kind: _, ...data }, state) {
    if (state.lifecycle === 'alive') throw illegalState('this platform exists already');
    return [{ type: 'platform.created.v1', data }];
  },
  evolve: (_, event) => ({ lifecycle: 'alive', ...event.data }),
};
