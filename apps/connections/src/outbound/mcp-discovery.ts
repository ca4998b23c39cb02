import { discoverOAuthServerInfo, registerClient } from '@modelcontextprotocol/client';
import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS, type Settings } from '#platform';
import type { OAuthSettings } from '../domain/provider.js';
import { boundedFetch, type Fetch } from './bounded-fetch.js';
import { failureIn, ProviderFailure } from './provider-failure.js';

export interface DiscoveredClient {
  oauth: OAuthSettings;
  secret: string | null;
}

/**
 * What an MCP server tells of its authorization server (RFC 9728, RFC 8414), and a client registered there
 * (RFC 7591) where the builder has none.
 */
@Injectable()
export class McpDiscovery {
  private readonly fetch: Fetch;

  constructor(@Inject(SETTINGS) { providerTimeoutMs }: Settings) {
    this.fetch = boundedFetch(providerTimeoutMs);
  }

  /** `isSafe` says which addresses may be used. Throws ProviderFailure. */
  async discover(
    serverUrl: string,
    callbackUrl: string,
    scopes: readonly string[],
    isSafe: (url: string) => boolean,
  ): Promise<DiscoveredClient> {
    const fetchFn: Fetch = async (url, init) => {
      if (!isSafe(String(url))) throw new ProviderFailure('unsafe_url');
      return this.fetch(url, init);
    };
    try {
      const found = await discoverOAuthServerInfo(serverUrl, { fetchFn });
      const { authorizationServerMetadata: metadata, authorizationServerUrl } = found;
      if (!metadata) throw new ProviderFailure('authorization_server_not_found');
      const revoke_url = ('revocation_endpoint' in metadata && metadata.revocation_endpoint) || null;
      const { authorization_endpoint: authorize_url, token_endpoint: token_url, issuer } = metadata;
      if (![authorize_url, token_url, revoke_url ?? token_url].every(isSafe)) {
        throw new ProviderFailure('unsafe_url');
      }
      const supported = metadata.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
      const method = supported.includes('client_secret_basic') ? 'client_secret_basic' : 'none';
      const client = await registerClient(authorizationServerUrl, {
        metadata,
        fetchFn,
        clientMetadata: {
          client_name: 'Tenantry',
          redirect_uris: [callbackUrl],
          grant_types: ['authorization_code', 'refresh_token'],
          response_types: ['code'],
          token_endpoint_auth_method: method,
        },
        ...(scopes.length > 0 && { scope: scopes.join(' ') }),
      });
      const secret = client.client_secret ?? null;
      const client_authentication = secret === null ? ('none' as const) : ('client_secret_basic' as const);
      const oauth = { authorize_url, token_url, revoke_url, issuer };
      return { oauth: { ...oauth, client_id: client.client_id, client_authentication }, secret };
    } catch (error) {
      throw failureIn(error) ?? new ProviderFailure('discovery_failed');
    }
  }
}
