import { Inject, Injectable } from '@nestjs/common';
import * as oauth from 'oauth4webapi';
import { SETTINGS, type Settings } from '#platform';
import type { OAuthSettings } from '../domain/provider.js';
import { boundedFetch, type Fetch } from './bounded-fetch.js';
import { failureIn, ProviderFailure, reasonOf } from './provider-failure.js';

/** A provider with its secret in clear. */
export interface OAuthServer extends OAuthSettings {
  client_secret: string | null;
  /** What the tokens are for (RFC 8707): MCP servers ask that it is named. */
  resource: string | null;
}

export interface Tokens {
  access_token: string;
  refresh_token: string | null;
  expires_in_seconds: number | null;
  /** Null where the provider gave just what was asked for. */
  scopes: string[] | null;
}

export interface AuthorizationRequest {
  redirectUri: string;
  state: string;
  codeVerifier: string;
  scopes: readonly string[];
}

/** The authorization code flow with PKCE (RFC 6749, RFC 7636), refreshing, and revoking (RFC 7009). */
@Injectable()
export class OAuthClient {
  private readonly fetch: Fetch;

  constructor(@Inject(SETTINGS) { providerTimeoutMs }: Settings) {
    this.fetch = boundedFetch(providerTimeoutMs);
  }

  async authorizationUrl(server: OAuthServer, request: AuthorizationRequest): Promise<string> {
    const url = new URL(server.authorize_url);
    const parameters = {
      response_type: 'code',
      client_id: server.client_id,
      redirect_uri: request.redirectUri,
      state: request.state,
      code_challenge: await oauth.calculatePKCECodeChallenge(request.codeVerifier),
      code_challenge_method: 'S256',
      ...(request.scopes.length > 0 && { scope: request.scopes.join(' ') }),
      ...(server.resource && { resource: server.resource }),
    };
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    return url.href;
  }

  /** Takes what the browser brought back. Throws ProviderFailure, also for consent that was denied. */
  async exchange(
    server: OAuthServer,
    callback: URLSearchParams,
    request: Omit<AuthorizationRequest, 'scopes'>,
  ): Promise<Tokens> {
    return this.told(async () => {
      const as = authorizationServer(server);
      const client = { client_id: server.client_id };
      const parameters = new URLSearchParams(callback);
      if (server.issuer === null) parameters.delete('iss');
      const answered = oauth.validateAuthResponse(as, client, parameters, request.state);
      const response = await oauth.authorizationCodeGrantRequest(
        as,
        client,
        clientAuthentication(server),
        answered,
        request.redirectUri,
        request.codeVerifier,
        this.options(server),
      );
      return tokensOf(await oauth.processAuthorizationCodeResponse(as, client, response));
    });
  }

  /** Throws ProviderFailure; its reason is `invalid_grant` when only new consent helps. */
  async refresh(server: OAuthServer, refreshToken: string): Promise<Tokens> {
    return this.told(async () => {
      const as = authorizationServer(server);
      const client = { client_id: server.client_id };
      const authentication = clientAuthentication(server);
      const options = this.options(server);
      const response = await oauth.refreshTokenGrantRequest(
        as,
        client,
        authentication,
        refreshToken,
        options,
      );
      return tokensOf(await oauth.processRefreshTokenResponse(as, client, response));
    });
  }

  /** Throws ProviderFailure unless the provider says that the token is not valid any more. */
  async revoke(server: OAuthServer, token: string, hint: 'access_token' | 'refresh_token'): Promise<void> {
    if (server.revoke_url === null) throw new ProviderFailure('revocation_not_supported');
    await this.told(async () => {
      const as = authorizationServer(server);
      const { additionalParameters: _, ...options } = this.options(server);
      const response = await oauth.revocationRequest(
        as,
        { client_id: server.client_id },
        clientAuthentication(server),
        token,
        { ...options, additionalParameters: { token_type_hint: hint } },
      );
      await oauth.processRevocationResponse(response);
    });
  }

  private options({ resource }: OAuthServer) {
    return {
      [oauth.customFetch]: async (url: string, init: RequestInit) => readable(await this.fetch(url, init)),
      // Which addresses may be without TLS was decided when the provider was configured.
      [oauth.allowInsecureRequests]: true,
      additionalParameters: resource ? { resource } : {},
    };
  }

  private async told<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      throw failureIn(error) ?? failureOf(error);
    }
  }
}

const authorizationServer = (server: OAuthServer): oauth.AuthorizationServer => ({
  issuer: server.issuer ?? server.token_url,
  token_endpoint: server.token_url,
  ...(server.revoke_url !== null && { revocation_endpoint: server.revoke_url }),
});

function clientAuthentication({ client_secret, client_authentication }: OAuthServer): oauth.ClientAuth {
  if (client_secret === null || client_authentication === 'none') return oauth.None();
  return client_authentication === 'client_secret_post'
    ? oauth.ClientSecretPost(client_secret)
    : oauth.ClientSecretBasic(client_secret);
}

/**
 * The same response, in the form that the library reads. Who the person is is none of our business, so an ID token
 * is dropped rather than checked. Some providers answer errors with status 200.
 */
async function readable(response: Response): Promise<Response> {
  if (response.status >= 500) {
    await response.body?.cancel();
    throw new ProviderFailure('provider_unavailable', true);
  }
  const text = await response.text();
  const { status, headers } = response;
  const plain = new Headers(headers);
  plain.delete('content-length');
  plain.delete('content-encoding');
  const body = objectIn(text);
  if (!body) return new Response(text, { status, headers: plain });
  const { id_token: _, ...rest } = body;
  const isError = typeof rest.error === 'string' && rest.access_token === undefined;
  if (isError) plain.delete('www-authenticate');
  return Response.json(rest, { status: isError && status === 200 ? 400 : status, headers: plain });
}

function objectIn(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function tokensOf(answer: oauth.TokenEndpointResponse): Tokens {
  const { access_token, refresh_token, expires_in, scope } = answer;
  return {
    access_token,
    refresh_token: refresh_token ?? null,
    expires_in_seconds: expires_in ?? null,
    scopes: scope === undefined ? null : scope.split(' ').filter(Boolean),
  };
}

function failureOf(error: unknown): ProviderFailure {
  if (error instanceof oauth.ResponseBodyError || error instanceof oauth.AuthorizationResponseError) {
    return new ProviderFailure(reasonOf(error.error));
  }
  if (error instanceof oauth.WWWAuthenticateChallengeError) return new ProviderFailure('invalid_client');
  if (error instanceof oauth.OperationProcessingError || error instanceof oauth.UnsupportedOperationError) {
    return new ProviderFailure('provider_response_invalid');
  }
  throw error;
}
