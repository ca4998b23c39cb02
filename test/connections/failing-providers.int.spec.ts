import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { type JsonObject, newId } from '#kernel';
import { KEY_STORE } from '#platform';
import { Sealer, type SubjectKeyStore } from '#privacy';
import { ConnectionsApp } from './connections-app.js';
import { type Script, type ScriptedProvider, sendJson, startScriptedProvider } from './scripted-provider.js';

let service: ConnectionsApp;
let provider: ScriptedProvider;
let user: string;

beforeAll(async () => {
  service = await ConnectionsApp.start({ TENANTRY_PROVIDER_TIMEOUT_MS: '300' });
  provider = await startScriptedProvider();
});

afterAll(async () => {
  await service?.close();
  await provider?.close();
});

beforeEach(async () => {
  user = service.makeUser();
  service.aheadMs = 0;
  provider.requests.length = 0;
  provider.script = giveTokens();
  await configure();
});

const later = (time: string, ms: number) => new Date(Date.parse(time) + ms).toISOString();

const giveTokens =
  (extra: object = {}): Script =>
  ({ path, body }, response) =>
    sendJson(
      200,
      path === '/token'
        ? {
            access_token: `access-${body.get('grant_type')}`,
            token_type: 'bearer',
            expires_in: 3_600,
            refresh_token: 'refresh-1',
            ...extra,
          }
        : {},
    )({ path, body }, response);

async function configure(changes: object = {}): Promise<void> {
  const body = { kind: 'oauth2', ...provider.settings, client_secret: 's3cr3t', scopes: ['a'], ...changes };
  expect((await service.call('PUT', '/providers/odd', { body })).status).toBe(200);
}

const path = (id = '') => `/users/${user}/connections/${id}`;
const get = async (id: string) => (await service.call('GET', path(id))).json;
const token = (id: string) => service.call('POST', `${path(id)}/token`);

/** Connects as a browser would that brings the code at once. */
async function connect(): Promise<{ id: string; page: string }> {
  const { json } = await service.call('POST', path('connect'), { body: { provider: 'odd' } });
  const state = new URL(json.connect_url).searchParams.get('state') ?? '';
  const answer = await fetch(`${service.callbackUrl}?code=c0de&state=${state}`);
  expect(answer.status).toBe(200);
  return { id: json.id, page: await answer.text() };
}

const TOKEN_FAILURES: [string, string, Script][] = [
  ['an OAuth error', 'invalid_client', sendJson(401, { error: 'invalid_client' })],
  ['an error with status 200', 'bad_verification_code', sendJson(200, { error: 'bad_verification_code' })],
  ['an error that is a text', 'provider_error', sendJson(400, { error: '<b>Ha!</b>' })],
  ['no token', 'provider_response_invalid', sendJson(200, { token_type: 'bearer' })],
  ['no JSON', 'provider_response_invalid', (_, response) => void response.end('<html>')],
  ['a fault of its own', 'provider_unavailable', sendJson(503, {})],
  ['no answer', 'provider_timed_out', () => undefined],
  ['a cut connection', 'provider_unreachable', (_, response) => void response.destroy()],
  [
    'a redirect',
    'provider_redirected',
    (_, response) => void response.writeHead(302, { location: '/elsewhere' }).end(),
  ],
  [
    'more than a mebibyte',
    'provider_response_too_large',
    (request, response) => giveTokens({ padding: 'x'.repeat(2 ** 20) })(request, response),
  ],
  [
    'a token beyond any measure',
    'provider_response_too_large',
    (request, response) => giveTokens({ access_token: 'x'.repeat(70_000) })(request, response),
  ],
];

describe('a token endpoint that fails', () => {
  it.each(TOKEN_FAILURES)('given %s, then the connection has failed with %s', async (_, reason, script) => {
    provider.script = script;
    const { id, page } = await connect();
    expect(await get(id)).toMatchObject({ status: 'failed', reason });
    expect(page).toContain(`could not be connected (${reason})`);
    expect(provider.requests.map((request) => request.path)).not.toContain('/elsewhere');
  });

  it('given nobody there, then the connection has failed', async () => {
    await configure({ token_url: 'http://127.0.0.1:1/token' });
    const { id } = await connect();
    expect(await get(id)).toMatchObject({ status: 'failed', reason: 'provider_unreachable' });
  });

  it('given a provider that is removed meanwhile, then the connection has failed', async () => {
    const { json } = await service.call('POST', path('connect'), { body: { provider: 'odd' } });
    await service.call('DELETE', '/providers/odd');
    await fetch(`${service.callbackUrl}?code=x&state=${new URL(json.connect_url).searchParams.get('state')}`);
    expect(await get(json.id)).toMatchObject({ status: 'failed', reason: 'provider_removed' });
  });

  it('given an ID token that nobody can check, then it is of no interest', async () => {
    provider.script = giveTokens({ id_token: 'not.a.token' });
    expect(await get((await connect()).id)).toMatchObject({ status: 'active' });
  });

  it.each([
    ['client_secret_basic', undefined, `Basic ${Buffer.from('client:s3cr3t').toString('base64')}`],
    ['client_secret_post', 's3cr3t', undefined],
  ])(
    'given %s, then the client shows who it is so, and proves what it asked',
    async (method, posted, header) => {
      await configure({ client_authentication: method });
      await connect();
      const [{ body, headers }] = provider.requests as [ScriptedProvider['requests'][0]];
      expect([body.get('client_secret') ?? undefined, headers.authorization]).toEqual([posted, header]);
      expect(Object.fromEntries(body)).toMatchObject({
        code: 'c0de',
        grant_type: 'authorization_code',
        redirect_uri: service.callbackUrl,
        code_verifier: expect.stringMatching(/^[\w-]{43}$/),
      });
    },
  );
});

describe('a refresh that fails', () => {
  it('given a provider that is down, then the state stays true and the provider is left alone for a while', async () => {
    const { id } = await connect();
    provider.script = sendJson(503, {});
    service.aheadMs = 3_590_000;
    // About to expire, but still good.
    expect(await token(id)).toMatchObject({
      status: 200,
      json: { access_token: 'access-authorization_code' },
    });
    expect(await get(id)).toMatchObject({ status: 'active', reason: 'provider_unavailable' });
    const asked = provider.requests.length;
    service.aheadMs = 3_600_000;
    const refused = { status: 409, json: { code: 'illegal_state' } };
    expect(await token(id)).toMatchObject(refused);
    service.aheadMs += 1_000;
    expect(await token(id)).toMatchObject(refused);
    expect(provider.requests).toHaveLength(asked + 1);
    service.aheadMs += 5_000;
    provider.script = giveTokens();
    expect(await token(id)).toMatchObject({ status: 200, json: { access_token: 'access-refresh_token' } });
    expect(await get(id)).toMatchObject({ status: 'active', reason: null });
  });

  it('given a provider that gives no new refresh token, then the old one is kept', async () => {
    const { id } = await connect();
    provider.script = giveTokens({ refresh_token: undefined });
    for (const hours of [1, 2]) {
      service.aheadMs = hours * 3_601_000;
      expect((await token(id)).status).toBe(200);
    }
    expect(provider.requests.slice(1).map(({ body }) => body.get('refresh_token'))).toEqual([
      'refresh-1',
      'refresh-1',
    ]);
  });

  it('given no refresh token, then the token is given until it expires, and then new consent is needed', async () => {
    provider.script = giveTokens({ refresh_token: undefined });
    const { id } = await connect();
    service.aheadMs = 3_590_000;
    expect((await token(id)).status).toBe(200);
    service.aheadMs = 3_601_000;
    expect((await token(id)).status).toBe(409);
    expect(await get(id)).toMatchObject({ status: 'needs_reconnect', reason: 'token_expired' });
  });

  it('given another process that has the claim, then its tokens are waited for and given', async () => {
    const { id } = await connect();
    service.aheadMs = 3_601_000;
    // What is known here is then not taken for all there is.
    const others = jest
      .spyOn(service.store as { exclusive: boolean }, 'exclusive', 'get')
      .mockReturnValue(false);
    const stream = `connections-${user}`;
    const past = await service.events(stream);
    const [first] = past;
    const place = { platform_id: service.platformId, tenant_id: service.tenantId, connection_id: id };
    const now = new Date(Date.now() + service.aheadMs).toISOString();
    const append = (after: number, type: string, data: JsonObject) =>
      service.store.append(stream, past.length - 1 + after, [
        { id: newId(), type, at: now, metadata: first!.metadata, data: { ...place, ...data } },
      ]);
    await append(0, 'connections.refresh-started.v1', { claim: newId(), started_at: now });
    const asked = provider.requests.length;
    const waiting = Promise.all([token(id), token(id)]);
    const tokens = { access_token: 'from-elsewhere', refresh_token: 'refresh-2' };
    const sealed = await service
      .get(Sealer)
      .seal(String(first!.data.subject_key), stream, tokens, `tokens ${id}`);
    const stored = { sealed, tokens_expire_at: later(now, 3_600_000), scopes: ['a'] };
    // By now both have seen the claim.
    await sleep(200);
    await append(1, 'connections.tokens-refreshed.v1', stored);
    const answers = (await waiting).map(({ status, json }) => [status, json.access_token]);
    expect(answers).toEqual([
      [200, 'from-elsewhere'],
      [200, 'from-elsewhere'],
    ]);
    expect(provider.requests).toHaveLength(asked);
    // A later caller here asks with the other process's refresh token.
    service.aheadMs += 3_601_000;
    expect((await token(id)).json.access_token).toBe('access-refresh_token');
    expect(provider.requests.at(-1)?.body.get('refresh_token')).toBe('refresh-2');
    others.mockRestore();
  });

  it('given a removal while the provider is asked, then the tokens that come are revoked', async () => {
    const { id } = await connect();
    service.aheadMs = 3_601_000;
    let answer: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => {
      provider.script = (request, response) => {
        if (request.body.get('grant_type') !== 'refresh_token') return sendJson(200, {})(request, response);
        answer = () => giveTokens({ access_token: 'late', refresh_token: 'late-too' })(request, response);
        return resolve();
      };
    });
    const late = token(id);
    await asked;
    expect((await service.call('DELETE', path(id))).json.revocation).toMatchObject({ outcome: 'revoked' });
    answer();
    expect((await late).status).toBe(404);
    const revoked = provider.requests.filter((request) => request.path === '/revoke');
    expect(revoked.map(({ body }) => body.get('token'))).toEqual([
      'refresh-1',
      'access-authorization_code',
      'late-too',
      'late',
    ]);
  });
});

describe('a revocation that fails', () => {
  it.each<[string, string, number, Script]>([
    ['a provider that is down', 'provider_unavailable', 3, sendJson(503, {})],
    ['a provider that hangs', 'provider_timed_out', 1, () => undefined],
    ['a refusal', 'unsupported_token_type', 1, sendJson(400, { error: 'unsupported_token_type' })],
  ])('given %s, then the removal stands and says %s', async (_, reason, times, script) => {
    const { id } = await connect();
    provider.script = script;
    const removed = await service.call('DELETE', path(id));
    expect(removed).toMatchObject({
      status: 200,
      json: { revocation: { outcome: 'not_revoked', reason } },
    });
    expect(provider.requests.filter((request) => request.path === '/revoke')).toHaveLength(times);
    expect((await service.call('GET', path(id))).status).toBe(404);
    const events = await service.events(`connections-${user}`);
    expect(events.at(-1)).toMatchObject({
      type: 'connections.revocation-recorded.v1',
      data: { outcome: 'not_revoked', reason },
    });
  });

  it('given a crash right after the removal, then the tokens are revoked all the same', async () => {
    // As a process that ended there leaves the log.
    const connection_id = newId();
    const stream = `connections-${user}`;
    const subject_key = await service.get<SubjectKeyStore>(KEY_STORE).assign();
    const tokens = { access_token: 'left', refresh_token: null };
    const place = { platform_id: service.platformId, tenant_id: service.tenantId, connection_id };
    const at = new Date().toISOString();
    const metadata = {
      platformId: service.platformId,
      tenantId: service.tenantId,
      actor: { type: 'system' as const, id: 'test' },
      correlationId: newId(),
      causationId: newId(),
    };
    const asked = { provider: 'odd', provider_kind: 'oauth2', scopes: [], expires_at: later(at, 600_000) };
    const sealed = await service.get(Sealer).seal(subject_key, stream, tokens, `tokens ${connection_id}`);
    const data: [string, JsonObject][] = [
      ['connection-requested', { ...asked, subject_key, personal: null }],
      ['connection-activated', { sealed, tokens_expire_at: null, scopes: [], mcp: null }],
      ['connection-removed', {}],
    ];
    const events = data.map(([name, more]) => {
      return { id: newId(), type: `connections.${name}.v1`, at, metadata, data: { ...place, ...more } };
    });
    await service.store.append(stream, 'no_stream', events);
    const last = async () => (await service.events(stream)).at(-1);
    while ((await last())?.type !== 'connections.revocation-recorded.v1') await sleep(5);
    expect(await last()).toMatchObject({ data: { connection_id, outcome: 'revoked' } });
    expect(provider.requests.map(({ path, body }) => [path, body.get('token')])).toEqual([
      ['/revoke', 'left'],
    ]);
  });

  it('given no revoke_url, then the answer says that there is none', async () => {
    await configure({ revoke_url: undefined });
    const { id } = await connect();
    const { json } = await service.call('DELETE', path(id));
    expect(json.revocation).toEqual({ outcome: 'not_revoked', reason: 'revocation_not_supported' });
  });

  it('given a provider that is down while the user is deleted, then the deletion ends and tells of it', async () => {
    await connect();
    await connect();
    provider.script = () => undefined;
    expect((await service.deleteUser(user)).connections).toEqual({
      connections: 2,
      tokens_revoked: 0,
      tokens_not_revoked: 2,
    });
  });
});
