import { Injectable } from '@nestjs/common';
import { type JsonObject, streamName } from '#kernel';
import { decodeCursor, LogAnswers, type Page, type PageQuery, pageOf, ReadModels } from '#platform';
import type { ReadDatabase } from '#projections';
import type { TenantResource } from '../http/tenant.dto.js';
import { ACCESS, AccessProjection } from './access.projection.js';
import type { AccessTables } from './tables.js';

/** Who asks: a key of the whole platform, or of one tenant of it, which then knows of no others. */
export interface TenantReader {
  platformId: string;
  onlyTenantId: string | null;
}

@Injectable()
export class Tenants {
  private readonly projection = new AccessProjection();
  private readonly database: ReadDatabase;

  constructor(
    readModels: ReadModels,
    private readonly log: LogAnswers,
  ) {
    this.database = readModels.databaseOf(ACCESS);
  }

  async get(reader: TenantReader, id: string, database = this.database): Promise<TenantResource | undefined> {
    const row = await this.tenantsFor(reader, database).selectAll().where('id', '=', id).executeTakeFirst();
    return row && resource(row);
  }

  /** As the log has it. */
  latest(reader: TenantReader, id: string): Promise<TenantResource | undefined> {
    const streams = [streamName('tenant', id)];
    return this.log.replay(this.projection, streams, (database) => this.get(reader, id, database));
  }

  /** Newest first. */
  async list(reader: TenantReader, { limit, cursor }: PageQuery): Promise<Page<TenantResource>> {
    const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : decodeCursor(cursor);
    const found = await this.tenantsFor(reader)
      .selectAll()
      .where('sequence', '<', before)
      .orderBy('sequence', 'desc')
      .limit(limit + 1)
      .execute();
    const { total } = await this.tenantsFor(reader)
      .select((row) => row.fn.countAll<number>().as('total'))
      .executeTakeFirstOrThrow();
    const { rows, next } = pageOf(found, limit);
    return { data: rows.map(resource), next_cursor: next, total: Number(total) };
  }

  private tenantsFor({ platformId, onlyTenantId }: TenantReader, database = this.database) {
    const tenants = database
      .reader<AccessTables>()
      .selectFrom('tenants')
      .where('platform_id', '=', platformId);
    return onlyTenantId === null ? tenants : tenants.where('id', '=', onlyTenantId);
  }
}

function resource(row: AccessTables['tenants']): TenantResource {
  const { platform_id: _, sequence: __, ...tenant } = row;
  return {
    ...tenant,
    settings: JSON.parse(row.settings) as JsonObject,
    is_default: row.is_default === 1,
  };
}
