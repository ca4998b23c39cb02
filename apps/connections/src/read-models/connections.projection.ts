import type { Kysely } from 'kysely';
import { type RecordedEvent, streamId } from '#kernel';
import type { CreateIndex, Projection } from '#worker/projections';
import type { ConnectionRequested, ConnectionsEvent } from '../domain/connections.js';
import type { ConnectionRow, ConnectionTables } from './tables.js';

export const CONNECTION_LIST = 'connections';

/** The connections that there are and how they are; a row goes with its connection. */
export class ConnectionsProjection implements Projection<ConnectionTables> {
  readonly name = CONNECTION_LIST;
  readonly version = 1;
  readonly categories = ['connections'];
  readonly tables = ['connections'] as const;

  async createTables({ schema }: Kysely<ConnectionTables>, createIndex: CreateIndex): Promise<void> {
    await schema
      .createTable('connections')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('user_id', 'text', (column) => column.notNull())
      .addColumn('tenant_id', 'text', (column) => column.notNull())
      .addColumn('sequence', 'bigint', (column) => column.notNull())
      .addColumn('provider', 'text', (column) => column.notNull())
      .addColumn('kind', 'text', (column) => column.notNull())
      .addColumn('status', 'text', (column) => column.notNull())
      .addColumn('reason', 'text')
      .addColumn('scopes', 'text', (column) => column.notNull())
      .addColumn('mcp', 'text')
      .addColumn('expires_at', 'text', (column) => column.notNull())
      .addColumn('created_at', 'text', (column) => column.notNull())
      .addColumn('updated_at', 'text', (column) => column.notNull())
      .execute();
    await createIndex('connections', ['user_id', 'sequence']);
  }

  async apply(transaction: Kysely<ConnectionTables>, recorded: RecordedEvent): Promise<void> {
    const event = recorded as unknown as ConnectionsEvent;
    switch (event.type) {
      case 'connections.connection-requested.v1':
        await transaction.insertInto('connections').values(rowOf(event.data, recorded)).execute();
        return;
      case 'connections.connection-removed.v1':
        await transaction.deleteFrom('connections').where('id', '=', event.data.connection_id).execute();
        return;
      case 'connections.closed.v1':
        await transaction
          .deleteFrom('connections')
          .where('user_id', '=', streamId(recorded.stream))
          .execute();
        return;
      case 'connections.authorization-received.v1':
      case 'connections.refresh-started.v1':
      case 'connections.revocation-recorded.v1':
        return;
      default:
        await transaction
          .updateTable('connections')
          .set({ ...changesOf(event), updated_at: recorded.at })
          .where('id', '=', event.data.connection_id)
          .execute();
    }
  }
}

function rowOf(data: ConnectionRequested['data'], { stream, position, at }: RecordedEvent): ConnectionRow {
  return {
    id: data.connection_id,
    user_id: streamId(stream),
    tenant_id: data.tenant_id,
    sequence: Number(position),
    provider: data.provider,
    kind: data.provider_kind,
    status: 'pending',
    reason: null,
    scopes: JSON.stringify(data.scopes),
    mcp: null,
    expires_at: data.expires_at,
    created_at: at,
    updated_at: at,
  };
}

function changesOf(event: ConnectionsEvent): Partial<ConnectionRow> {
  switch (event.type) {
    case 'connections.connection-activated.v1': {
      const { scopes, mcp } = event.data;
      return {
        status: 'active',
        reason: null,
        scopes: JSON.stringify(scopes),
        mcp: mcp && JSON.stringify(mcp),
      };
    }
    case 'connections.tokens-refreshed.v1':
      return { reason: null, scopes: JSON.stringify(event.data.scopes) };
    case 'connections.connection-failed.v1':
      return { status: 'failed', reason: event.data.reason };
    case 'connections.refresh-failed.v1':
      return { reason: event.data.reason };
    case 'connections.reconnect-needed.v1':
      return { status: 'needs_reconnect', reason: event.data.reason };
    default:
      throw new Error(`${event.type} is not known to ${CONNECTION_LIST}`);
  }
}
