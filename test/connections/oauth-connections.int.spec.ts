import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { KEY_STORE } from '#platform';
import type { SubjectKeyStore } from '#privacy';
import {
  type AuthorizationServer,
  CLIENT,
  SCOPES,
  startAuthorizationServer,
} from './authorization-server.js';
import { Browser, type Visit } from './browser.js';
import { ConnectionsApp } from './connections-app.js';

const APP_PAGE = 'https://app.example.com/connected?tab=2';

let service: ConnectionsApp;
let provider: AuthorizationServer;
let user: string;

beforeAll(async () => {
  service = await ConnectionsApp.start();
  provider = await startAuthorizationServer(service.callbackUrl);
  await configure('github');
});

afterAll(async () => {
  await service?.close();
  await provider?.close();
});

beforeEach(() => {
  user = service.makeUser();
  service.aheadMs = 0;
  service.allowedProviders = null;
});

async function configure(name: string, changes: object = {}) {
  const body = {
    kind: 'oauth2',
    ...provider.settings,
    client_secret: CLIENT.secret,
    issuer: provider.url,
    scopes: SCOPES,
    ...changes,
  };
  const answer = await service.call('PUT', `/providers/${name}`, { body });
  expect(answer.status).toBe(200);
  return answer;
}

const connect = (body: object = {}, userId = user) =>
  service.call('POST', `/users/${userId}/connections/connect`, { body: { provider: 'github', ...body } });
const get = (id: string) => service.call('GET', `/users/${user}/connections/${id}`);
const token = (id: string) => service.call('POST', `/users/${user}/connections/${id}/token`);
const consent = (url: string, options: { deny?: boolean; stopAt?: string } = {}): Promise<Visit> =>
  new Browser([service.url, provider.url], options).visit(url);

async function connected(body: object = {}): Promise<string> {
  const { json } = await connect(body);
  await consent(json.connect_url);
  expect((await get(json.id)).json).toMatchObject({ status: 'active' });
  return json.id;
}

const typesOf = async (userId = user) =>
  (await service.events(`connections-${userId}`)).map(({ type }) => type.split('.')[1]);

describe('a connection to an authorization server', () => {
  it('given consent, then it is active and its token is one that the provider knows', async () => {
    const asked = await connect();
    expect(asked).toMatchObject({
      status: 201,
      json: {
        provider: 'github',
        kind: 'oauth2',
        user_id: user,
        status: 'pending',
        reason: null,
        scopes: SCOPES,
        mcp_server: null,
        expires_at: expect.any(String),
      },
    });
    const url = new URL(asked.json.connect_url);
    expect(url.origin + url.pathname).toBe(provider.settings.authorize_url);
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      response_type: 'code',
      code_challenge_method: 'S256',
      redirect_uri: service.callbackUrl,
      scope: SCOPES.join(' '),
    });
    const { id } = asked.json;
    expect(await token(id)).toMatchObject({ status: 409, json: { code: 'illegal_state' } });

    const visit = await consent(asked.json.connect_url);
    expect(visit.status).toBe(200);
    expect(visit.url.href).toContain(service.callbackUrl);
    expect(visit.text).toContain('github is connected');
    expect(visit.headers.get('content-security-policy')).toMatch(/default-src 'none'/);
    expect(visit.headers.get('tenantry-position')).toMatch(/^\d+$/);
    expect((await get(id)).json).toMatchObject({ status: 'active', reason: null, expires_at: null });

    const given = await token(id);
    // What was granted, which is not all that was asked for.
    const scopes = ['openid', 'api:read'];
    expect(given).toMatchObject({ status: 200, json: { token_type: 'Bearer', scopes } });
    expect((await get(id)).json.scopes).toEqual(scopes);
    expect(given.headers.get('cache-control')).toBe('no-store');
    const { access_token, header, expires_at } = given.json;
    expect(header).toEqual({ name: 'Authorization', value: `Bearer ${access_token}` });
    expect(Date.parse(expires_at)).toBeGreaterThan(Date.now());
    expect(await provider.isAlive(access_token)).toBe(true);
    expect((await token(id)).json.access_token).toBe(access_token);
    const me = await fetch(`${provider.url}/me`, { headers: { [header.name]: header.value } });
    expect(await me.json()).toEqual({ sub: 'alice' });
  });

  it('given a redirect_uri, then the browser goes there with the outcome and nothing more', async () => {
    const { json } = await connect({ redirect_uri: APP_PAGE });
    const visit = await consent(json.connect_url);
    expect(visit.url.href).toBe(`${APP_PAGE}&connection_id=${json.id}&status=active`);
  });

  it('given consent that is denied, then it has failed with that reason', async () => {
    const { json } = await connect({ redirect_uri: APP_PAGE });
    const visit = await consent(json.connect_url, { deny: true });
    expect(Object.fromEntries(visit.url.searchParams)).toEqual({
      tab: '2',
      connection_id: json.id,
      status: 'failed',
      reason: 'access_denied',
    });
    expect((await get(json.id)).json).toMatchObject({ status: 'failed', reason: 'access_denied' });
    expect(await token(json.id)).toMatchObject({
      status: 409,
      json: { detail: 'the connection is failed: access_denied' },
    });
  });

  it('given a callback that comes twice, then the second is refused and changes nothing', async () => {
    const { json } = await connect();
    const { url } = await consent(json.connect_url, { stopAt: service.callbackUrl });
    expect((await fetch(url)).status).toBe(200);
    const { access_token } = (await token(json.id)).json;
    const again = await fetch(url);
    expect([again.status, await again.json()]).toMatchObject([409, { code: 'illegal_state' }]);
    expect((await token(json.id)).json.access_token).toBe(access_token);
    expect(await provider.isAlive(access_token)).toBe(true);
  });

  it('given two callbacks at once, then one alone reaches the provider', async () => {
    const { json } = await connect();
    const { url } = await consent(json.connect_url, { stopAt: service.callbackUrl });
    const answers = await Promise.all([fetch(url), fetch(url), fetch(url)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
    expect((await get(json.id)).json.status).toBe('active');
  });

  it("given another connection's code, then PKCE gives it away and the connection has failed", async () => {
    const mine = await connect();
    const other = await connect({}, service.makeUser());
    const stolen = await consent(other.json.connect_url, { stopAt: service.callbackUrl });
    const callback = new URL(service.callbackUrl);
    callback.searchParams.set('code', stolen.url.searchParams.get('code') ?? '');
    callback.searchParams.set('iss', provider.url);
    callback.searchParams.set('state', new URL(mine.json.connect_url).searchParams.get('state') ?? '');
    expect((await fetch(callback)).status).toBe(200);
    expect((await get(mine.json.id)).json).toMatchObject({ status: 'failed', reason: 'invalid_grant' });
  });

  it.each([
    ['none', () => ''],
    ['one that was made up', () => 'state=abc'],
    [
      'one that was altered',
      (state: string) => `state=${state.slice(0, -2)}${state.endsWith('AA') ? 'BB' : 'AA'}`,
    ],
    ['one with something after it', (state: string) => `state=${state}A`],
    ['two', (state: string) => `state=${state}&state=${state}`],
  ])('given a state that is %s, then the callback is refused by its field', async (_, query) => {
    const { json } = await connect();
    const state = new URL(json.connect_url).searchParams.get('state') ?? '';
    const answer = await fetch(`${service.callbackUrl}?code=x&${query(state)}`);
    expect([answer.status, await answer.json()]).toMatchObject([
      400,
      { code: 'invalid_input', errors: [{ field: 'state' }] },
    ]);
    expect((await get(json.id)).json.status).toBe('pending');
  });

  it('given an issuer that is not the one configured, then the code is not sent anywhere', async () => {
    const { json } = await connect();
    const { url } = await consent(json.connect_url, { stopAt: service.callbackUrl });
    url.searchParams.set('iss', 'https://evil.example.com');
    await fetch(url);
    expect((await get(json.id)).json).toMatchObject({
      status: 'failed',
      reason: 'provider_response_invalid',
    });
  });

  it('given ten minutes without consent, then it has failed, and consent comes too late', async () => {
    const { json } = await connect();
    const { url } = await consent(json.connect_url, { stopAt: service.callbackUrl });
    service.aheadMs = 599_000;
    expect((await get(json.id)).json.status).toBe('pending');
    service.aheadMs = 601_000;
    expect((await get(json.id)).json).toMatchObject({
      status: 'failed',
      reason: 'expired',
      expires_at: null,
    });
    expect((await fetch(url)).status).toBe(409);
    expect(await typesOf()).toEqual(['connection-requested']);
  });

  it('given a user who is suspended meanwhile, then consent makes no connection', async () => {
    const { json } = await connect();
    service.users.set(user, { tenantId: service.tenantId, status: 'suspended' });
    await consent(json.connect_url);
    expect((await get(json.id)).json).toMatchObject({ status: 'failed', reason: 'user_not_active' });
  });
});

describe('a token that is about to expire', () => {
  it('given 20 callers at once, then it is refreshed once and all have the new one', async () => {
    const id = await connected();
    const { access_token: first } = (await token(id)).json;
    service.aheadMs = 3_600_000;
    const answers = await Promise.all(Array.from({ length: 20 }, () => token(id)));
    const tokens = new Set(answers.map(({ json }) => json.access_token));
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
    expect(tokens.size).toBe(1);
    expect(tokens.has(first)).toBe(false);
    expect(await provider.isAlive([...tokens][0])).toBe(true);
    expect((await typesOf()).filter((type) => type === 'tokens-refreshed')).toHaveLength(1);
  });

  it('given a refresh token that is used up each time, then the next refresh has the new one', async () => {
    const id = await connected();
    const seen = new Set<string>();
    for (let hour = 1; hour <= 4; hour++) {
      service.aheadMs = hour * 3_600_000;
      seen.add((await token(id)).json.access_token);
    }
    expect(seen.size).toBe(4);
  });

  it('given consent that the provider has taken back, then new consent is needed', async () => {
    const id = await connected();
    const { access_token } = (await token(id)).json;
    const { client_id } = provider.settings;
    const basic = Buffer.from(`${client_id}:${CLIENT.secret}`).toString('base64');
    const body = new URLSearchParams({ token: access_token });
    const headers = { authorization: `Basic ${basic}` };
    await fetch(provider.settings.revoke_url, { method: 'POST', headers, body });
    service.aheadMs = 3_600_000;
    expect(await token(id)).toMatchObject({
      status: 409,
      json: { code: 'illegal_state', detail: 'the tokens cannot be refreshed: invalid_grant' },
    });
    expect((await get(id)).json).toMatchObject({ status: 'needs_reconnect', reason: 'invalid_grant' });
    expect(await token(id)).toMatchObject({
      status: 409,
      json: { detail: 'the connection is needs_reconnect: invalid_grant' },
    });
    expect((await typesOf()).at(-1)).toBe('reconnect-needed');
  });
});

describe('removing a connection', () => {
  it('given an active one, then it is gone and its tokens are dead at the provider', async () => {
    const id = await connected();
    const { access_token } = (await token(id)).json;
    expect(await provider.isAlive(access_token)).toBe(true);
    const removed = await service.call('DELETE', `/users/${user}/connections/${id}`);
    expect(removed).toMatchObject({
      status: 200,
      json: { id, provider: 'github', status: 'removed', revocation: { outcome: 'revoked', reason: null } },
    });
    expect(await provider.isAlive(access_token)).toBe(false);
    expect((await get(id)).status).toBe(404);
    expect((await token(id)).status).toBe(404);
    expect((await service.call('DELETE', `/users/${user}/connections/${id}`)).status).toBe(404);
    expect((await typesOf()).slice(-2)).toEqual(['connection-removed', 'revocation-recorded']);
  });

  it('given one without tokens, then there is nothing to revoke', async () => {
    const { json } = await connect();
    const removed = await service.call('DELETE', `/users/${user}/connections/${json.id}`);
    expect(removed.json.revocation).toEqual({ outcome: 'nothing_to_revoke', reason: null });
    const late = await consent(json.connect_url);
    expect(late.status).toBe(404);
  });
});

describe('the deletion of a user', () => {
  it('given connections, then their tokens are dead at the provider before the service confirms', async () => {
    const ids = [await connected(), await connected()];
    await connect();
    const tokens = await Promise.all(ids.map(async (id) => (await token(id)).json.access_token));
    const removed = await service.deleteUser(user);
    expect(removed.connections).toEqual({ connections: 3, tokens_revoked: 2, tokens_not_revoked: 0 });
    expect(await Promise.all(tokens.map((one) => provider.isAlive(one)))).toEqual([false, false]);
    expect((await typesOf()).slice(-3)).toEqual(['closed', 'revocation-recorded', 'revocation-recorded']);
    expect(await connect()).toMatchObject({ status: 404 });
  });

  it('given tokens that cannot be opened, then they are counted as not revoked, and it goes on', async () => {
    await connected();
    const keys = service.get<SubjectKeyStore>(KEY_STORE);
    const find = keys.find.bind(keys);
    const damaged = (await service.events(`connections-${user}`))[0]?.data.subject_key;
    const finding = jest.spyOn(keys, 'find').mockImplementation(async (id) => {
      if (id === damaged) throw new Error('encrypted bytes failed their integrity check');
      return find(id);
    });
    const removed = await service.deleteUser(user);
    finding.mockRestore();
    expect(removed.connections).toEqual({ connections: 1, tokens_revoked: 0, tokens_not_revoked: 1 });
  });

  it('given consent that comes after it, then there is no connection, and no token stays behind', async () => {
    const { json } = await connect();
    const { url } = await consent(json.connect_url, { stopAt: service.callbackUrl });
    await service.deleteUser(user);
    expect((await fetch(url)).status).toBe(404);
    expect((await typesOf()).at(-1)).toBe('closed');
  });
});
