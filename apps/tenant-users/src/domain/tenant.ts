import {
  type Decider,
  type DomainEvent,
  illegalState,
  type JsonObject,
  notFound,
  snapshotFormat,
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

/** The first event where something was claimed for a tenant that never came: none can come under this id any more. */
export type TenantAbandoned = DomainEvent<'tenant.abandoned.v1', { platform_id: string }>;

export type TenantEvent = TenantCreated | TenantUpdated | TenantDeleted | TenantAbandoned;

type LivingTenant = { lifecycle: 'alive'; settings: JsonObject } & TenantCreated['data'];

export type TenantState =
  | { lifecycle: 'absent' }
  | LivingTenant
  | ({ lifecycle: 'deleted' } & TenantDeleted['data']);

export type TenantCommand =
  | ({ kind: 'create' } & TenantCreated['data'])
  | { kind: 'update'; platform_id: string; changes: TenantChanges }
  | { kind: 'delete'; platform_id: string }
  /** Ends what is under way under an id that there is no tenant of. */
  | { kind: 'fence'; platform_id: string };

/** One customer of a platform. Creating it again under the same id changes nothing. */
export const tenant: Decider<TenantState, TenantCommand, TenantEvent> = {
  category: 'tenant',
  initialState: { lifecycle: 'absent' },
  snapshot: snapshotFormat({ version: 1 }),

  decide(command, state) {
    if (command.kind === 'create') {
      const { kind: _, ...data } = command;
      if (state.lifecycle === 'deleted') throw illegalState('this tenant was deleted');
      return state.lifecycle === 'absent' ? [{ type: 'tenant.created.v1', data }] : [];
    }
    const { platform_id } = command;
    if (command.kind === 'fence') {
      return state.lifecycle === 'absent' ? [{ type: 'tenant.abandoned.v1', data: { platform_id } }] : [];
    }
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
    if (event.type === 'tenant.deleted.v1' || event.type === 'tenant.abandoned.v1') {
      return { lifecycle: 'deleted', ...event.data };
    }
    if (state.lifecycle !== 'alive') throw new Error(`${event.type} without a tenant`);
    return { ...state, ...event.data };
  },
};
