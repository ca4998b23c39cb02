import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Aggregates } from '#event-store';
import { derivedId, streamName } from '#kernel';
import { Sealer } from '#privacy';
import { provider } from '../domain/provider.decide.js';
import type { ConfiguredProvider } from '../domain/provider.js';
import type { HttpHeader } from '../outbound/mcp-client.js';
import type { OAuthServer } from '../outbound/oauth-client.js';

/** A provider as it is now, with its secret. */
export type OpenedProvider = ConfiguredProvider & {
  id: string;
  /** Null for an MCP server with a static header. */
  server: OAuthServer | null;
  /** Null for all others. */
  header: HttpHeader | null;
};

/** The stream of a provider follows from its platform and name, so that there is one of each name. */
export const providerId = (platformId: string, name: string): string =>
  derivedId(createHash('sha256').update(`provider:${platformId}:${name}`).digest());

/** What a provider's secret is sealed as. */
export const SECRET = 'secret';

/** Finds providers in the log, where a change holds at once. */
@Injectable()
export class ProviderAccess {
  constructor(
    private readonly aggregates: Aggregates,
    private readonly sealer: Sealer,
  ) {}

  async find(platformId: string, name: string): Promise<OpenedProvider | undefined> {
    const id = providerId(platformId, name);
    const { state } = await this.aggregates.load(provider, id);
    if (state.lifecycle !== 'configured') return undefined;
    const stream = streamName('provider', id);
    const opened = state.sealed && (await this.sealer.open(state.sealed, stream, { name: SECRET }));
    // Its key is destroyed a moment after the removal.
    if (state.sealed !== null && !opened) return undefined;
    const secret = opened ? String(opened.secret) : null;
    const { oauth, header_name, server_url } = state;
    return {
      ...state,
      id,
      server: oauth && { ...oauth, client_secret: secret, resource: server_url },
      header: header_name === null || secret === null ? null : { name: header_name, value: secret },
    };
  }
}
