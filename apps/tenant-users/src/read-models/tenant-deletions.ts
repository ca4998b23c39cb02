import { Injectable } from '@nestjs/common';
import { ReadModels } from '#platform';
import type { ReadDatabase } from '#projections';
import type { TenantDeletionResource } from '../http/tenant.dto.js';
import type { TenantDeletionTables } from './tables.js';
import { TENANT_DELETIONS } from './tenant-deletions.projection.js';
import type { TenantReader } from './tenants.js';

/** Reads how far deletions of tenants are; each look-up is keyed by (platform, id). */
@Injectable()
export class TenantDeletions {
  private readonly database: ReadDatabase;

  constructor(readModels: ReadModels) {
    this.database = readModels.databaseOf(TENANT_DELETIONS);
  }

  async get(
    { platformId, onlyTenantId }: TenantReader,
    id: string,
  ): Promise<TenantDeletionResource | undefined> {
    if (onlyTenantId !== null && onlyTenantId !== id) return undefined;
    const row = await this.database
      .reader<TenantDeletionTables>()
      .selectFrom('tenant_deletions')
      .selectAll()
      .where('tenant_id', '=', id)
      .where('platform_id', '=', platformId)
      .executeTakeFirst();
    if (!row || row.requested_at === null || row.completed_before === null) return undefined;
    const isCompleted = row.completed === row.created;
    return {
      tenant_id: id,
      status: isCompleted ? 'completed' : 'pending',
      requested_at: row.requested_at,
      users_total: row.created - row.completed_before,
      users_deleted: row.deleted - row.completed_before,
      users_completed: row.completed - row.completed_before,
      completed_at: isCompleted ? row.at : null,
      position: String(row.position),
    };
  }
}
