import { Inject, Injectable } from '@nestjs/common';
import { type Clock, streamName } from '#kernel';
import { CLOCK, LogAnswers, newestFirst, type Page, type PageQuery, ReadModels, type Scope } from '#platform';
import type { ReadDatabase } from '#projections';
import type { PlatformKeyResource } from '../http/platform-key.dto.js';
import { ACCESS, AccessProjection } from './access.projection.js';
import type { AccessTables } from './tables.js';

/** Whose keys: all of a platform's, or those of one tenant of it. */
export interface PlatformKeyOwner {
  platformId: string;
  onlyTenantId: string | null;
}

/** Reads platform keys for those who manage them, never the keys themselves. */
@Injectable()
export class PlatformKeyRegistry {
  private readonly projection = new AccessProjection();
  private readonly database: ReadDatabase;

  constructor(
    readModels: ReadModels,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly log: LogAnswers,
  ) {
    this.database = readModels.databaseOf(ACCESS);
  }

  async get(
    platformId: string,
    keyId: string,
    database = this.database,
  ): Promise<PlatformKeyResource | undefined> {
    const row = await this.keysOf({ platformId, onlyTenantId: null }, database)
      .selectAll()
      .where('id', '=', keyId)
      .executeTakeFirst();
    return row && this.resource(row);
  }

  /** As the log has it. */
  latest(platformId: string, keyId: string): Promise<PlatformKeyResource | undefined> {
    const streams = [streamName('platformKey', keyId)];
    return this.log.replay(this.projection, streams, (database) => this.get(platformId, keyId, database));
  }

  /** Newest first. */
  async list(owner: PlatformKeyOwner, query: PageQuery): Promise<Page<PlatformKeyResource>> {
    const page = await newestFirst(this.keysOf(owner), query);
    return { ...page, data: page.data.map((row) => this.resource(row)) };
  }

  private keysOf({ platformId, onlyTenantId }: PlatformKeyOwner, database = this.database) {
    const keys = database
      .reader<AccessTables>()
      .selectFrom('platform_keys')
      .where('platform_id', '=', platformId);
    return onlyTenantId === null ? keys : keys.where('tenant_id', '=', onlyTenantId);
  }

  private resource(row: AccessTables['platform_keys']): PlatformKeyResource {
    const { id, name, key_prefix, scopes, tenant_id, expires_at, created_at } = row;
    const expired = expires_at !== null && expires_at <= this.clock.now().toISOString();
    return {
      id,
      name,
      key_prefix,
      scopes: JSON.parse(scopes) as Scope[],
      tenant_id,
      status: row.revoked === 1 ? 'revoked' : expired ? 'expired' : 'active',
      expires_at,
      created_at,
    };
  }
}
