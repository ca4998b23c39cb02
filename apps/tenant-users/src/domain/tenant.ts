import {
  type Decider,
  type DomainEvent,
  illegalState,
  type JsonObject,
  notFound,
  snapshotFormat,
  TenantryError,
} from '#kernel';
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

/** The request to delete each of the tenant's users: from here on the tenant is gone. */
export type TenantDeleted = DomainEvent<'tenant.deleted.v1', { platform_id: string }>;

export type TenantEvent = TenantCreated | TenantUpdated | TenantDeleted;

type LivingTenant = { lifecycle: 'alive'; settings: JsonObject } & TenantCreated['data'];

export type TenantState =
  | { lifecycle: 'absent' }
  | LivingTenant
  | ({ lifecycle: 'deleted' } & TenantDeleted['data']);

export type TenantCommand =
  | ({ kind: 'create'; id: string } & TenantCreated['data'])
  | { kind: 'update'; platform_id: string; changes: TenantChanges }
  | { kind: 'delete'; platform_id: string };

/** One customer of a platform. Creating the default one again under the same id changes nothing. */
export const tenant: Decider<TenantState, TenantCommand, TenantEvent> = {
  category: 'tenant',
  initialState: { lifecycle: 'absent' },
  snapshot: snapshotFormat({ version: 1 }),

  decide(command, state) {
    if (command.kind === 'create') {
      const { kind: _, id, ...data } = command;
      if (state.lifecycle === 'absent') return [{ type: 'tenant.created.v1', data }];
      if (state.lifecycle === 'deleted') throw illegalState('this tenant was deleted');
      if (state.is_default) return [];
      throw new TenantryError('duplicate_record', 'external_id is taken in this platform', {
        existingId: id,
        errors: [{ field: 'external_id', message: 'is taken in this platform' }],
      });
    }
    const { platform_id } = command;
    if (state.lifecycle !== 'alive' || state.platform_id !== platform_id) throw notFound('tenant');
    if (command.kind === 'delete') {
      if (state.is_default) throw illegalState("the platform's default tenant cannot be deleted");
      return [{ type: 'tenant.deleted.v1', data: { platform_id } }];
    }
    const data = differing(command.changes, state);
    return Object.keys(data).length > 0
      ? [{ type: 'tenant.updated.v1', data: { platform_id, ...data } }]
      : [];
  },

  evolve(state, event) {
    if (event.type === 'tenant.created.v1') return { lifecycle: 'alive', settings: {}, ...event.data };
    if (event.type === 'tenant.deleted.v1') return { lifecycle: 'deleted', ...event.data };
    if (state.lifecycle !== 'alive') throw new Error(`${event.type} without a tenant`);
    return { ...state, ...event.data };
  },
};
