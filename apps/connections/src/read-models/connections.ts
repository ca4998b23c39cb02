import { Inject, Injectable } from '@nestjs/common';
import { type Clock, streamName } from '#kernel';
import { CLOCK, LogAnswers, newestFirst, type Owner, type Page, type PageQuery, ReadModels } from '#platform';
import type { ReadDatabase } from '#projections';
import { isExpired } from '../domain/connections.decide.js';
import type { McpServer } from '../domain/connections.js';
import type { ConnectionResource } from '../http/connection.dto.js';
import { CONNECTION_LIST, ConnectionsProjection } from './connections.projection.js';
import type { ConnectionRow, ConnectionTables } from './tables.js';

/** Reads the connections of users. */
@Injectable()
export class Connections {
  private readonly projection = new ConnectionsProjection();
  private readonly database: ReadDatabase;

  constructor(
    readModels: ReadModels,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly log: LogAnswers,
  ) {
    this.database = readModels.databaseOf(CONNECTION_LIST);
  }

  async get(owner: Owner, id: string, database = this.database): Promise<ConnectionResource | undefined> {
    const row = await this.connectionsOf(owner, database).selectAll().where('id', '=', id).executeTakeFirst();
    return row && this.resource(row);
  }

  /** As the log has it. */
  latest(owner: Owner, id: string): Promise<ConnectionResource | undefined> {
    const streams = [streamName('connections', owner.userId)];
    return this.log.replay(this.projection, streams, (database) => this.get(owner, id, database));
  }

  /** For commands, which are answered while the read model is away. */
  find(owner: Owner, id: string): Promise<ConnectionResource | undefined> {
    return this.log.lookUp(
      [CONNECTION_LIST],
      () => this.get(owner, id),
      () => this.latest(owner, id),
    );
  }

  /** Newest first. */
  async list(owner: Owner, query: PageQuery): Promise<Page<ConnectionResource>> {
    const page = await newestFirst(this.connectionsOf(owner), query);
    return { ...page, data: page.data.map((row) => this.resource(row)) };
  }

  private connectionsOf({ tenantId, userId }: Owner, database = this.database) {
    return database
      .reader<ConnectionTables>()
      .selectFrom('connections')
      .where('user_id', '=', userId)
      .where('tenant_id', '=', tenantId);
  }

  private resource(row: ConnectionRow): ConnectionResource {
    const { id, user_id, provider, kind, created_at, updated_at } = row;
    const expired = isExpired(row, this.clock.now().toISOString());
    const status = expired ? 'failed' : row.status;
    return {
      id,
      user_id,
      provider,
      kind,
      status,
      reason: expired ? 'expired' : row.reason,
      scopes: JSON.parse(row.scopes) as string[],
      mcp_server: row.mcp === null ? null : (JSON.parse(row.mcp) as McpServer),
      expires_at: status === 'pending' ? row.expires_at : null,
      created_at,
      updated_at,
    };
  }
}
