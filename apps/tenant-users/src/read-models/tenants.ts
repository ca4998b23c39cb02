import { Injectable } from '@nestjs/common';
import { type JsonObject, streamName } from '#kernel';
import { LogAnswers, newestFirst, type Page, type PageQuery, ReadModels } from '#platform';
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
  async list(reader: TenantReader, query: PageQuery): Promise<Page<TenantResource>> {
    const page = await newestFirst(this.tenantsFor(reader), query);
    return { ...page, data: page.data.map(resource) };
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
