import { Inject, Injectable } from '@nestjs/common';
import { decodeCursor, type Page, type PageQuery, pageOf, READ_DATABASE } from '#platform';
import type { ReadDatabase } from '#projections';
import type { ProviderSettings } from '../domain/provider.js';
import type { ProviderResource } from '../http/provider.dto.js';
import type { ConnectionTables, ProviderRow } from './tables.js';

/** Reads providers; each look-up is keyed by (platform, name). */
@Injectable()
export class ProviderList {
  constructor(@Inject(READ_DATABASE) private readonly database: ReadDatabase) {}

  async get(platformId: string, name: string): Promise<ProviderResource | undefined> {
    const row = await this.providersOf(platformId).selectAll().where('name', '=', name).executeTakeFirst();
    return row && resource(row);
  }

  /** Newest first. */
  async list(platformId: string, { limit, cursor }: PageQuery): Promise<Page<ProviderResource>> {
    const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : decodeCursor(cursor);
    const found = await this.providersOf(platformId)
      .selectAll()
      .where('sequence', '<', before)
      .orderBy('sequence', 'desc')
      .limit(limit + 1)
      .execute();
    const { total } = await this.providersOf(platformId)
      .select((row) => row.fn.countAll<number>().as('total'))
      .executeTakeFirstOrThrow();
    const { rows, next } = pageOf(found, limit);
    return { data: rows.map(resource), next_cursor: next, total: Number(total) };
  }

  private providersOf(platformId: string) {
    return this.database
      .reader<ConnectionTables>()
      .selectFrom('providers')
      .where('platform_id', '=', platformId);
  }
}

function resource({ name, settings, created_at, updated_at }: ProviderRow): ProviderResource {
  const { oauth, ...rest } = JSON.parse(settings) as ProviderSettings & { has_secret: boolean };
  const none = {
    authorize_url: null,
    token_url: null,
    revoke_url: null,
    issuer: null,
    client_id: null,
    client_authentication: null,
  };
  return { name, ...rest, ...(oauth ?? none), created_at, updated_at };
}
