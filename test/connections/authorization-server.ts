import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { jest } from '@jest/globals';

export const CLIENT = { id: 'tenantry', secret: 'cs-Zq8Tn4-client-secret' };
export const SCOPES = ['openid', 'offline_access', 'api:read'];

export interface HttpServer {
  url: string;
  close(): Promise<void>;
}

/** Serves on a free port of the loopback address. */
export async function serve(listenerFor: (url: string) => RequestListener): Promise<HttpServer> {
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  server.on('request', listenerFor(url));
  return {
    url,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The package has no types; this is all that is used of it. */
interface OidcProvider {
  callback(): RequestListener;
}
type OidcProviderClass = new (issuer: string, configuration: object) => OidcProvider;

export interface AuthorizationServer extends HttpServer {
  /** What the body of PUT /v1/providers/{name} needs. */
  settings: { authorize_url: string; token_url: string; revoke_url: string; client_id: string };
  /** Whether the server takes the token for a living one (RFC 7662). */
  isAlive(token: string): Promise<boolean>;
}

/** A real authorization server (`oidc-provider`) that shows its own pages for login and consent. */
export async function startAuthorizationServer(callbackUrl: string): Promise<AuthorizationServer> {
  // It warns of each part that is not for production use.
  jest.spyOn(console, 'warn').mockImplementation(() => undefined);
  jest.spyOn(console, 'info').mockImplementation(() => undefined);
  const name = 'oidc-provider';
  const { default: Provider } = (await import(name)) as { default: OidcProviderClass };
  const server = await serve((url) => new Provider(url, configuration(callbackUrl)).callback());
  const { url } = server;
  const basic = Buffer.from(`${CLIENT.id}:${CLIENT.secret}`).toString('base64');
  return {
    ...server,
    settings: {
      authorize_url: `${url}/auth`,
      token_url: `${url}/token`,
      revoke_url: `${url}/token/revocation`,
      client_id: CLIENT.id,
    },
    async isAlive(token) {
      const answer = await fetch(`${url}/token/introspection`, {
        method: 'POST',
        headers: { authorization: `Basic ${basic}` },
        body: new URLSearchParams({ token }),
      });
      return ((await answer.json()) as { active: boolean }).active;
    },
  };
}

const configuration = (callbackUrl: string): object => ({
  clients: [
    {
      client_id: CLIENT.id,
      client_secret: CLIENT.secret,
      redirect_uris: [callbackUrl],
      grant_types: ['authorization_code', 'refresh_token'],
    },
  ],
  cookies: { keys: ['a key for the cookies of a test'] },
  scopes: SCOPES,
  rotateRefreshToken: true,
  issueRefreshToken: async () => true,
  findAccount: (_: unknown, id: string) => ({ accountId: id, claims: () => ({ sub: id }) }),
  features: {
    devInteractions: { enabled: true },
    revocation: { enabled: true },
    introspection: { enabled: true },
    registration: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: async () => undefined,
      getResourceServerInfo: async (_: unknown, resource: string) => ({
        audience: resource,
        scope: 'api:read',
        accessTokenFormat: 'opaque',
      }),
      useGrantedResource: async () => true,
    },
  },
});
