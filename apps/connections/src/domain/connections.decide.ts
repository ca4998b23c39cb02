import { type Decider, illegalState, notFound, snapshotFormat } from '#kernel';
import { evolve } from './connections.evolve.js';
import type {
  Connection,
  ConnectionCommand,
  ConnectionRemoved,
  ConnectionsCommand,
  ConnectionsEvent,
  ConnectionsState,
  OpenConnections,
  RequestConnection,
} from './connections.js';
import { decideRefresh } from './token-refresh.js';

export const MAX_CONNECTIONS = 200;

/** The connections of one user. Once closed, also before there was any, there is none ever after. */
export const connections: Decider<ConnectionsState, ConnectionsCommand, ConnectionsEvent> = {
  category: 'connections',
  initialState: { lifecycle: 'absent' },
  snapshot: snapshotFormat({
    version: 1,
    maps: ['connections', 'left_over'],
    subjectKey: (state) => (state.lifecycle === 'open' ? state.subject_key : null),
  }),

  decide(command, state) {
    if (state.lifecycle !== 'absent' && state.tenant_id !== command.tenant_id) throw notFound('user');
    if (command.kind === 'close') return close(command, state);
    if (command.kind === 'record-revocation') return recordRevocation(command, state);
    // The user is gone, and so is whoever asks in their name.
    if (state.lifecycle === 'closed') throw notFound('user');
    if (command.kind === 'request') return request(command, state);
    const connection = state.lifecycle === 'open' && state.connections.get(command.connection_id);
    if (!connection) throw notFound('connection');
    return change(command, state, connection);
  },

  evolve,
};

/** A pending connection fails by time alone, so that no timer is needed for that to be right. */
export const isExpired = ({ status, expires_at }: Pick<Connection, 'status' | 'expires_at'>, at: string) =>
  status === 'pending' && expires_at <= at;

function request(
  { kind: _, at, ...data }: RequestConnection,
  state: Exclude<ConnectionsState, { lifecycle: 'closed' }>,
): ConnectionsEvent[] {
  const subject_key = state.lifecycle === 'open' ? state.subject_key : data.subject_key;
  const requested = {
    type: 'connections.connection-requested.v1' as const,
    data: { ...data, subject_key },
  };
  if (state.lifecycle === 'absent') return [requested];
  // The same request again, after a crash.
  if (state.connections.has(data.connection_id)) return [];
  if (state.connections.size < MAX_CONNECTIONS) return [requested];
  return [makeRoom(state, at), requested];
}

/** Attempts that came to nothing give way, the oldest first; connections that work do not. */
function makeRoom(
  { platform_id, tenant_id, connections: all }: OpenConnections,
  at: string,
): ConnectionRemoved {
  for (const [connection_id, connection] of all) {
    if (connection.status === 'failed' || isExpired(connection, at)) {
      return {
        type: 'connections.connection-removed.v1',
        data: { platform_id, tenant_id, connection_id },
      };
    }
  }
  throw illegalState(`a user can have at most ${MAX_CONNECTIONS} connections`);
}

function change(
  command: ConnectionCommand,
  { platform_id }: OpenConnections,
  connection: Connection,
): ConnectionsEvent[] {
  const { tenant_id, connection_id } = command;
  const data = { platform_id, tenant_id, connection_id };
  switch (command.kind) {
    case 'receive-authorization':
      requirePending(connection);
      if (connection.authorization_received) throw illegalState('this consent was already received');
      if (isExpired(connection, command.at)) throw illegalState('the connection has expired; connect again');
      return [{ type: 'connections.authorization-received.v1', data }];
    case 'activate': {
      requirePending(connection);
      const { sealed, tokens_expire_at, scopes, mcp } = command;
      const tokens = { sealed, tokens_expire_at, scopes };
      return [{ type: 'connections.connection-activated.v1', data: { ...data, ...tokens, mcp } }];
    }
    case 'fail':
      requirePending(connection);
      return [{ type: 'connections.connection-failed.v1', data: { ...data, reason: command.reason } }];
    case 'remove':
      return [{ type: 'connections.connection-removed.v1', data }];
    case 'record-revocation':
      throw new Error('a revocation is of a connection that is gone');
    default:
      return decideRefresh(command, data, connection);
  }
}

function requirePending({ status }: Connection): void {
  if (status !== 'pending') throw illegalState('the connection is not pending');
}

function recordRevocation(
  { connection_id, outcome, reason }: Extract<ConnectionCommand, { kind: 'record-revocation' }>,
  state: ConnectionsState,
): ConnectionsEvent[] {
  if (state.lifecycle === 'absent' || !state.left_over.has(connection_id)) return [];
  const { platform_id, tenant_id } = state;
  const data = { platform_id, tenant_id, connection_id, outcome, reason };
  return [{ type: 'connections.revocation-recorded.v1', data }];
}

/** Closes connections that never were, too: one that comes later must find them closed. */
function close(
  { platform_id, tenant_id }: { platform_id: string; tenant_id: string },
  state: ConnectionsState,
): ConnectionsEvent[] {
  if (state.lifecycle === 'closed') return [];
  const open = state.lifecycle === 'open' ? state : undefined;
  const removed = { connections: open?.connections.size ?? 0 };
  const data = { platform_id, tenant_id, subject_key: open?.subject_key ?? null, removed };
  return [{ type: 'connections.closed.v1', data }];
}
