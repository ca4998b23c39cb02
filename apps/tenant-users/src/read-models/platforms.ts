import { Injectable } from '@nestjs/common';
import { formatUsd, streamName } from '#kernel';
import { LogAnswers, newestFirst, type Page, type PageQuery, ReadModels } from '#platform';
import type { ReadDatabase } from '#projections';
import type { PlatformResource } from '../http/platform.dto.js';
import { ACCESS, AccessProjection } from './access.projection.js';
import type { AccessTables } from './tables.js';

/** Reads platforms: the operator sees all of them. */
@Injectable()
export class Platforms {
  private readonly projection = new AccessProjection();
  private readonly database: ReadDatabase;

  constructor(
    readModels: ReadModels,
    private readonly log: LogAnswers,
  ) {
    this.database = readModels.databaseOf(ACCESS);
  }

  async get(id: string, database = this.database): Promise<PlatformResource | undefined> {
    const row = await this.platforms(database).selectAll().where('id', '=', id).executeTakeFirst();
    return row && resource(row);
  }

  /** As the log has it. */
  latest(id: string): Promise<PlatformResource | undefined> {
    const streams = [streamName('platform', id)];
    return this.log.replay(this.projection, streams, (database) => this.get(id, database));
  }

  /** Newest first. */
  async list(query: PageQuery): Promise<Page<PlatformResource>> {
    const page = await newestFirst(this.platforms(), query);
    return { ...page, data: page.data.map(resource) };
  }

  private platforms(database = this.database) {
    return database.reader<AccessTables>().selectFrom('platforms');
  }
}

function resource(row: AccessTables['platforms']): PlatformResource {
  const budget = row.default_budget_micro_usd;
  return {
    id: row.id,
    name: row.name,
    settings: {
      default_budget_usd: budget === null ? null : formatUsd(budget),
      default_role: row.default_role,
    },
    default_tenant_id: row.default_tenant_id,
    default_account_kit_id: row.default_account_kit_id,
    created_at: row.created_at,
  };
}
