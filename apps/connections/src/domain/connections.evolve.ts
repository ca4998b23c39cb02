import type {
  ClosedConnections,
  Connection,
  ConnectionRequested,
  ConnectionsClosed,
  ConnectionsEvent,
  ConnectionsState,
  LeftOver,
  OpenConnections,
  RevocationRecorded,
} from './connections.js';

type Change = Exclude<ConnectionsEvent, ConnectionRequested | ConnectionsClosed | RevocationRecorded>;

export function evolve(state: ConnectionsState, event: ConnectionsEvent): ConnectionsState {
  switch (event.type) {
    case 'connections.connection-requested.v1':
      return requested(state, event.data);
    case 'connections.closed.v1':
      return closed(state, event.data);
    case 'connections.revocation-recorded.v1':
      return revocationRecorded(state, event.data);
    case 'connections.connection-removed.v1':
      return removed(openOf(state, event.type), event.data.connection_id);
    default: {
      const open = openOf(state, event.type);
      const { connection_id } = event.data;
      const connection = open.connections.get(connection_id);
      if (!connection) throw new Error(`${event.type} on a connection that does not exist`);
      const connections = new Map(open.connections).set(connection_id, changed(connection, event));
      return { ...open, connections };
    }
  }
}

function requested(state: ConnectionsState, data: ConnectionRequested['data']): OpenConnections {
  const { platform_id, tenant_id, connection_id, subject_key, personal, ...rest } = data;
  const before = state.lifecycle === 'open' ? state : undefined;
  const connection: Connection = {
    ...rest,
    status: 'pending',
    reason: null,
    redirect_uri: personal?.redirect_uri ?? null,
    authorization_received: false,
    sealed: null,
    tokens_expire_at: null,
    refresh: null,
    refresh_failed_at: null,
  };
  const connections = new Map(before?.connections).set(connection_id, connection);
  const left_over = before?.left_over ?? new Map<string, LeftOver>();
  return { lifecycle: 'open', platform_id, tenant_id, subject_key, connections, left_over };
}

function changed(connection: Connection, event: Change): Connection {
  const idle = { refresh: null, refresh_failed_at: null };
  switch (event.type) {
    case 'connections.authorization-received.v1':
      return { ...connection, authorization_received: true };
    case 'connections.connection-activated.v1':
    case 'connections.tokens-refreshed.v1': {
      const { sealed, tokens_expire_at, scopes } = event.data;
      const tokens = { sealed, tokens_expire_at, scopes };
      return { ...connection, ...idle, ...tokens, status: 'active', reason: null, redirect_uri: null };
    }
    case 'connections.connection-failed.v1':
      return { ...connection, status: 'failed', reason: event.data.reason, redirect_uri: null };
    case 'connections.refresh-started.v1': {
      const { claim, started_at } = event.data;
      return { ...connection, refresh: { claim, started_at } };
    }
    case 'connections.refresh-failed.v1': {
      const { reason, failed_at } = event.data;
      return { ...connection, reason, refresh: null, refresh_failed_at: failed_at };
    }
    case 'connections.reconnect-needed.v1':
      return { ...connection, ...idle, status: 'needs_reconnect', reason: event.data.reason };
    default:
      throw new Error(`${event.type} is no change of a connection`);
  }
}

function removed(open: OpenConnections, connectionId: string): OpenConnections {
  const connections = new Map(open.connections);
  const left_over = new Map([...open.left_over, ...leftOverOf(connections, connectionId)]);
  connections.delete(connectionId);
  return { ...open, connections, left_over };
}

function closed(state: ConnectionsState, data: ConnectionsClosed['data']): ClosedConnections {
  const open = state.lifecycle === 'open' ? state : undefined;
  const ids = [...(open?.connections.keys() ?? [])];
  const live = ids.flatMap((id) => (open ? leftOverOf(open.connections, id) : []));
  return { lifecycle: 'closed', ...data, left_over: new Map([...(open?.left_over ?? []), ...live]) };
}

function leftOverOf(connections: OpenConnections['connections'], id: string): [string, LeftOver][] {
  const { provider, sealed = null } = connections.get(id) ?? {};
  return provider === undefined || sealed === null ? [] : [[id, { provider, sealed }]];
}

function revocationRecorded(
  state: ConnectionsState,
  { connection_id, outcome }: RevocationRecorded['data'],
): ConnectionsState {
  if (state.lifecycle === 'absent') throw new Error('a revocation without connections');
  const left_over = new Map(state.left_over);
  left_over.delete(connection_id);
  if (state.lifecycle === 'open') return { ...state, left_over };
  const { tokens_revoked = 0, tokens_not_revoked = 0 } = state.removed;
  const counts =
    outcome === 'revoked'
      ? { tokens_revoked: tokens_revoked + 1, tokens_not_revoked }
      : { tokens_revoked, tokens_not_revoked: tokens_not_revoked + 1 };
  return { ...state, left_over, removed: { ...state.removed, ...counts } };
}

function openOf(state: ConnectionsState, event: string): OpenConnections {
  if (state.lifecycle !== 'open') throw new Error(`${event} on connections that are not open`);
  return state;
}
