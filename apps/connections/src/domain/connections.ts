import { type Decider, type DomainEvent, notFound } from '#kernel';

interface Scope {
  platform_id: string;
  tenant_id: string;
}

export type ConnectionsClosed = DomainEvent<
  'connections.closed.v1',
  Scope & {
    /** The key that tokens are sealed under, to be destroyed after the closing; null where there is none. */
    subject_key: string | null;
    removed: { connections: number };
  }
>;

export type ConnectionsEvent = ConnectionsClosed;

export type ConnectionsState =
  | { lifecycle: 'absent' }
  | ({ lifecycle: 'closed' } & ConnectionsClosed['data']);

export type ConnectionsCommand = { kind: 'close' } & Scope;

/** The connections of one user. Once closed, also before there was any, there is none ever after. */
export const connections: Decider<ConnectionsState, ConnectionsCommand, ConnectionsEvent> = {
  category: 'connections',
  initialState: { lifecycle: 'absent' },

  decide({ platform_id, tenant_id }, state) {
    if (state.lifecycle === 'closed') {
      if (state.tenant_id !== tenant_id) throw notFound('user');
      return [];
    }
    const data = { platform_id, tenant_id, subject_key: null, removed: { connections: 0 } };
    return [{ type: 'connections.closed.v1', data }];
  },

  evolve: (_, event) => ({ lifecycle: 'closed', ...event.data }),
};
