import { Injectable } from '@nestjs/common';
import { streamName } from '#kernel';
import { LogAnswers, type PlatformAccess, ReadModels } from '#platform';
import type { ReadDatabase } from '#projections';
import type { DeletionResource } from '../http/user.dto.js';
import { DELETIONS, DeletionsProjection, type Participants } from './deletions.projection.js';
import type { DeletionTables, TenantDeletionTables } from './tables.js';
import { TENANT_DELETIONS } from './tenant-deletions.projection.js';

@Injectable()
export class Deletions {
  private readonly projection = new DeletionsProjection();
  private readonly database: ReadDatabase;
  private readonly tenants: ReadDatabase;

  constructor(
    readModels: ReadModels,
    private readonly log: LogAnswers,
  ) {
    this.database = readModels.databaseOf(DELETIONS);
    this.tenants = readModels.databaseOf(TENANT_DELETIONS);
  }

  async get(
    tenantId: string,
    userId: string,
    database = this.database,
  ): Promise<DeletionResource | undefined> {
    const row = await database
      .reader<DeletionTables>()
      .selectFrom('deletions')
      .selectAll()
      .where('user_id', '=', userId)
      .where('tenant_id', '=', tenantId)
      .executeTakeFirst();
    return (
      row && {
        user_id: row.user_id,
        status: row.status,
        requested_at: row.requested_at,
        participants: JSON.parse(row.participants) as Participants,
        personal_data_key_destroyed_at: row.key_destroyed_at,
        completed_at: row.completed_at,
        position: String(row.position),
      }
    );
  }

  /** As the log has it. */
  latest(tenantId: string, userId: string): Promise<DeletionResource | undefined> {
    const streams = [streamName('deletion', userId)];
    return this.log.replay(this.projection, streams, (database) => this.get(tenantId, userId, database));
  }

  /**
   * Where to look for what is left of a user: the tenant that is acted in, or one of the platform that was deleted
   * with the user in it, which only a key of the whole platform may look into.
   */
  async tenantOf({ platformId, onlyTenantId, tenant }: PlatformAccess, userId: string): Promise<string> {
    if (onlyTenantId !== null) return tenant.id;
    const deleted = this.reader().selectFrom('deletions').select('tenant_id').where('user_id', '=', userId);
    const inTenant = (await deleted.executeTakeFirst())?.tenant_id;
    if (inTenant === undefined || inTenant === tenant.id) return tenant.id;
    const gone = await this.tenants
      .reader<TenantDeletionTables>()
      .selectFrom('tenant_deletions')
      .select('tenant_id')
      .where('tenant_id', '=', inTenant)
      .where('platform_id', '=', platformId)
      .executeTakeFirst();
    return gone?.tenant_id ?? tenant.id;
  }

  /** Users whose deletion was requested before `before` and is still pending, oldest first. */
  async laggards(before: string, limit: number): Promise<string[]> {
    const rows = await this.reader()
      .selectFrom('deletions')
      .select('user_id')
      .where('status', '=', 'pending')
      .where('requested_at', '<', before)
      .orderBy('requested_at')
      .limit(limit)
      .execute();
    return rows.map((row) => row.user_id);
  }

  private reader() {
    return this.database.reader<DeletionTables>();
  }
}
