import { type Decider, type DomainEvent, illegalState, notFound, snapshotFormat } from '#kernel';
import { differing } from './differing.js';

export interface PlatformSettings {
  /** Micro-USD; null gives new users no budget. */
  default_budget_micro_usd: number | null;
  default_role: string;
}

export type PlatformCreated = DomainEvent<
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

/** What a patch may name; what is absent stays as it is. */
export interface PlatformChanges {
  name?: string;
  settings?: Partial<PlatformSettings>;
}

/** Holds only what changed. */
export type PlatformUpdated = DomainEvent<'platform.updated.v1', PlatformChanges>;

export type PlatformEvent = PlatformCreated | PlatformUpdated;

export type PlatformState = { lifecycle: 'absent' } | ({ lifecycle: 'alive' } & PlatformCreated['data']);

export type PlatformCommand =
  | ({ kind: 'create' } & PlatformCreated['data'])
  | { kind: 'update'; changes: PlatformChanges };

export const platform: Decider<PlatformState, PlatformCommand, PlatformEvent> = {
  category: 'platform',
  initialState: { lifecycle: 'absent' },
  snapshot: snapshotFormat({ version: 1 }),

  decide(command, state) {
    if (command.kind === 'create') {
      if (state.lifecycle === 'alive') throw illegalState('this platform exists already');
      const { kind: _, ...data } = command;
      return [{ type: 'platform.created.v1', data }];
    }
    if (state.lifecycle === 'absent') throw notFound('platform');
    const { settings = {}, ...fields } = command.changes;
    const changedSettings = differing(settings, state.settings);
    const data = {
      ...differing(fields, state),
      ...(Object.keys(changedSettings).length > 0 && { settings: changedSettings }),
    };
    return Object.keys(data).length > 0 ? [{ type: 'platform.updated.v1', data }] : [];
  },

  evolve(state, event) {
    if (event.type === 'platform.created.v1') return { lifecycle: 'alive', ...event.data };
    if (state.lifecycle === 'absent') throw new Error(`${event.type} without a platform`);
    const { settings, ...fields } = event.data;
    return { ...state, ...fields, settings: { ...state.settings, ...settings } };
  },
};
