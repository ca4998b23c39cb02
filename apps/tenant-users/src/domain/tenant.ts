import { type Decider, type DomainEvent, type JsonObject, notFound, TenantryError } from '#kernel';
import { differing } from './differing.js';

export type TenantCreated = DomainEvent<
  'tenant.created.v1',
  {
    platform_id: string;
    name: string;
    is_default: boolean;
    default_user_id: string;
    /** The builder's own id of a customer: no person's, so it is kept in clear. */
    external_id?: string | null;
    /** The builder's own; nothing here reads them. */
    settings?: JsonObject;
  }
>;

/** What a patch may name; `settings` are replaced as a whole. */
export interface TenantChanges {
  name?: string;
  settings?: JsonObject;
}

/** Holds only what changed. */
export type TenantUpdated = DomainEvent<'tenant.updated.v1', TenantChanges & { platform_id: string }>;

export type TenantEvent = TenantCreated | TenantUpdated;

export type TenantState =
  | { lifecycle: 'absent' }
  | ({ lifecycle: 'alive'; settings: JsonObject } & TenantCreated['data']);

export type TenantCommand =
  | ({ kind: 'create'; id: string } & TenantCreated['data'])
  | { kind: 'update'; platform_id: string; changes: TenantChanges };

/** One customer of a platform. Creating the default one again under the same id changes nothing. */
export const tenant: Decider<TenantState, TenantCommand, TenantEvent> = {
  category: 'tenant',
  initialState: { lifecycle: 'absent' },

  decide(command, state) {
    if (command.kind === 'create') {
      const { kind: _, id, ...data } = command;
      if (state.lifecycle === 'absent') return [{ type: 'tenant.created.v1', data }];
      if (state.is_default) return [];
      throw new TenantryError('duplicate_record', 'external_id is taken in this platform', {
        existingId: id,
        errors: [{ field: 'external_id', message: 'is taken in this platform' }],
      });
    }
    const { platform_id, changes } = command;
    if (state.lifecycle === 'absent' || state.platform_id !== platform_id) throw notFound('tenant');
    const data = differing(changes, state);
    return Object.keys(data).length > 0
      ? [{ type: 'tenant.updated.v1', data: { platform_id, ...data } }]
      : [];
  },

  evolve(state, event) {
    if (event.type === 'tenant.created.v1') return { lifecycle: 'alive', settings: {}, ...event.data };
    if (state.lifecycle === 'absent') throw new Error(`${event.type} without a tenant`);
    return { ...state, ...event.data };
  },
};
