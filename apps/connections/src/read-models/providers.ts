import { Injectable } from '@nestjs/common';
import { streamName } from '#kernel';
import { LogAnswers, newestFirst, type Page, type PageQuery, ReadModels } from '#platform';
import type { ReadDatabase } from '#projections';
import { providerId } from '../commands/provider-access.js';
import type { ProviderSettings } from '../domain/provider.js';
import type { ProviderResource } from '../http/provider.dto.js';
import { PROVIDERS, ProvidersProjection } from './providers.projection.js';
import type { ConnectionTables, ProviderRow } from './tables.js';

/** Reads providers; each look-up is keyed by (platform, name). */
@Injectable()
export class ProviderList {
  private readonly projection = new ProvidersProjection();
  private readonly database: ReadDatabase;

  constructor(
    readModels: ReadModels,
    private readonly log: LogAnswers,
  ) {
    this.database = readModels.databaseOf(PROVIDERS);
  }

  async get(
    platformId: string,
    name: string,
    database = this.database,
  ): Promise<ProviderResource | undefined> {
    const providers = this.providersOf(platformId, database).selectAll();
    const row = await providers.where('name', '=', name).executeTakeFirst();
    return row && resource(row);
  }

  /** As the log has it. */
  latest(platformId: string, name: string): Promise<ProviderResource | undefined> {
    const streams = [streamName('provider', providerId(platformId, name))];
    return this.log.replay(this.projection, streams, (database) => this.get(platformId, name, database));
  }

  /** Newest first. */
  async list(platformId: string, query: PageQuery): Promise<Page<ProviderResource>> {
    const page = await newestFirst(this.providersOf(platformId), query);
    return { ...page, data: page.data.map(resource) };
  }

  private providersOf(platformId: string, database = this.database) {
    return database.reader<ConnectionTables>().selectFrom('providers').where('platform_id', '=', platformId);
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
