import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  type AuthorizationServer,
  CLIENT,
  type HttpServer,
  serve,
  startAuthorizationServer,
} from './authorization-server.js';
import { Browser } from './browser.js';
import { ConnectionsApp } from './connections-app.js';
import { MCP_SERVER, startMcpServer } from './mcp-server.js';

const HEADER = { name: 'X-Api-Key', value: 'mcp-Kq3v9-header-value' };
const SHOWN = { ...MCP_SERVER, protocol_version: expect.stringMatching(/^\d{4}-\d\d-\d\d$/) };

let service: ConnectionsApp;
let provider: AuthorizationServer;
let withHeader: HttpServer;
let withOAuth: HttpServer;
let user: string;
const opened: HttpServer[] = [];

beforeAll(async () => {
  service = await ConnectionsApp.start();
  provider = await startAuthorizationServer(service.callbackUrl);
  withHeader = await startMcpServer(({ headers }) => headers['x-api-key'] === HEADER.value);
  withOAuth = await startMcpServer(async ({ headers }) => {
    const [, token = ''] = /^Bearer (\S+)$/.exec(headers.authorization ?? '') ?? [];
    return token !== '' && provider.isAlive(token);
  }, provider.url);
});

afterAll(async () => {
  await service?.close();
  await Promise.all([provider, withHeader, withOAuth, ...opened].map((server) => server?.close()));
});

beforeEach(() => {
  user = service.makeUser();
  service.aheadMs = 0;
});

async function configure(body: object): Promise<void> {
  const answer = await service.call('PUT', '/providers/weather', { body: { kind: 'mcp', ...body } });
  expect(answer.status).toBe(200);
}

const connect = () =>
  service.call('POST', `/users/${user}/connections/connect`, { body: { provider: 'weather' } });
const get = (id: string) => service.call('GET', `/users/${user}/connections/${id}`);
const token = (id: string) => service.call('POST', `/users/${user}/connections/${id}/token`);

describe('a connection to an MCP server with a static header', () => {
  it('given the right header, then it is active at once and shows what the server is', async () => {
    await configure({ server_url: withHeader.url, header: HEADER });
    const { status, json } = await connect();
    expect([status, json]).toMatchObject([
      201,
      { kind: 'mcp', status: 'active', connect_url: null, expires_at: null, mcp_server: SHOWN },
    ]);
    expect(await token(json.id)).toMatchObject({
      status: 200,
      json: { access_token: null, token_type: 'header', expires_at: null, header: HEADER },
    });
    const removed = await service.call('DELETE', `/users/${user}/connections/${json.id}`);
    expect(removed.json.revocation).toEqual({ outcome: 'nothing_to_revoke', reason: null });
  });

  it('given a new header at the server, then connections have it as soon as the provider has', async () => {
    await configure({ server_url: withHeader.url, header: HEADER });
    const { json } = await connect();
    await configure({ server_url: withHeader.url, header: { name: 'X-Api-Key', value: 'next' } });
    expect((await token(json.id)).json.header.value).toBe('next');
    await service.call('DELETE', '/providers/weather');
    expect(await token(json.id)).toMatchObject({ status: 409, json: { code: 'illegal_state' } });
  });

  it.each([
    ['the wrong header', 'mcp_unauthorized', async () => withHeader],
    [
      'nobody there',
      'provider_unreachable',
      async () => ({ url: 'http://127.0.0.1:1', close: async () => {} }),
    ],
    [
      'a server of something else',
      'mcp_initialize_failed',
      () => serve(() => (_, response) => response.end('hello')),
    ],
    [
      'a page that is not found',
      'mcp_initialize_failed',
      () => serve(() => (_, response) => response.writeHead(404).end()),
    ],
    [
      'a redirect',
      'provider_redirected',
      () => serve(() => (_, response) => response.writeHead(307, { location: withHeader.url }).end()),
    ],
    ['a server that does not answer', 'provider_timed_out', () => serve(() => () => undefined)],
    [
      'an answer without end',
      'provider_response_too_large',
      () =>
        serve(() => (_, response) => {
          response.writeHead(200, { 'content-type': 'application/json' });
          response.end(`"${'x'.repeat(2 * 1024 * 1024)}"`);
        }),
    ],
  ])('given %s, then it has failed with the reason %s', async (_, reason, start) => {
    const server = await start();
    if (server !== withHeader) opened.push(server);
    await configure({ server_url: server.url, header: { ...HEADER, value: 'wrong' } });
    const { status, json } = await connect();
    expect([status, json]).toMatchObject([201, { status: 'failed', reason, mcp_server: null }]);
  });
});

describe('a connection to an MCP server with OAuth', () => {
  const oauth = () => ({
    ...provider.settings,
    client_secret: CLIENT.secret,
    issuer: provider.url,
    scopes: ['openid', 'api:read'],
  });

  it('given consent, then the server was initialized with a token made for it', async () => {
    await configure({ server_url: withOAuth.url, ...oauth() });
    const { json } = await connect();
    expect(json).toMatchObject({ status: 'pending', mcp_server: null });
    expect(new URL(json.connect_url).searchParams.get('resource')).toBe(withOAuth.url);
    const visit = await new Browser([service.url, provider.url]).visit(json.connect_url);
    expect(visit.text).toContain('weather is connected');
    expect((await get(json.id)).json).toMatchObject({ status: 'active', mcp_server: SHOWN });
    service.aheadMs = 7_200_000;
    const { access_token } = (await token(json.id)).json;
    expect(await provider.isAlive(access_token)).toBe(true);
    expect((await service.deleteUser(user)).connections).toMatchObject({ tokens_revoked: 1 });
    expect(await provider.isAlive(access_token)).toBe(false);
  });

  it('given nothing but the address, then the server leads to its authorization server and a new client', async () => {
    await configure({ server_url: `${withOAuth.url}/mcp`, scopes: ['openid', 'api:read'] });
    const [shown] = (await service.call('GET', '/providers')).json.data;
    expect(shown).toMatchObject({
      authorize_url: provider.settings.authorize_url,
      token_url: provider.settings.token_url,
      revoke_url: provider.settings.revoke_url,
      issuer: provider.url,
      client_id: expect.not.stringMatching(CLIENT.id),
      has_secret: true,
    });
    const { json } = await connect();
    await new Browser([service.url, provider.url]).visit(json.connect_url);
    expect((await get(json.id)).json).toMatchObject({ status: 'active', mcp_server: SHOWN });
    const removed = await service.call('DELETE', `/users/${user}/connections/${json.id}`);
    expect(removed.json.revocation).toMatchObject({ outcome: 'revoked' });
  });

  it('given an address that tells of no authorization server, then the provider is refused by that field', async () => {
    const silent = await serve(() => (_, response) => void response.writeHead(404).end());
    opened.push(silent);
    const body = { kind: 'mcp', server_url: silent.url };
    expect(await service.call('PUT', '/providers/silent', { body })).toMatchObject({
      status: 409,
      json: { code: 'illegal_state', errors: [{ field: 'server_url' }] },
    });
  });

  it('given a server that does not take the token, then it has failed and the token is revoked', async () => {
    const taken: string[] = [];
    const strict = await startMcpServer(({ headers }) => {
      taken.push(headers.authorization ?? '');
      return false;
    });
    opened.push(strict);
    await configure({ server_url: strict.url, ...oauth() });
    const { json } = await connect();
    await new Browser([service.url, provider.url]).visit(json.connect_url);
    expect((await get(json.id)).json).toMatchObject({ status: 'failed', reason: 'mcp_unauthorized' });
    const [, access = ''] = /^Bearer (\S+)$/.exec(taken[0] ?? '') ?? [];
    expect(access).not.toBe('');
    expect(await provider.isAlive(access)).toBe(false);
  });
});
