import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { derivedId, newId } from '#kernel';
import { KEY_STORE } from '#platform';
import type { SubjectKeyStore } from '#privacy';
import { ConnectionsApp } from './connections-app.js';

const OAUTH = {
  kind: 'oauth2',
  authorize_url: 'https://github.com/login/oauth/authorize',
  token_url: 'https://github.com/login/oauth/access_token',
  client_id: 'Iv1.8a61f9b3a7aba766',
  client_secret: 'cs-a-secret',
  scopes: ['repo'],
};
const MCP = {
  kind: 'mcp',
  server_url: 'https://mcp.example.com/mcp',
  header: { name: 'Authorization', value: 'Bearer hd-a-secret' },
};

let service: ConnectionsApp;
let user: string;

beforeAll(async () => {
  service = await ConnectionsApp.start();
});
afterAll(() => service?.close());
beforeEach(() => {
  user = service.makeUser();
  service.allowedProviders = null;
});

const put = (name: string, body: object, key = service.key) =>
  service.call('PUT', `/providers/${name}`, { body, key });
const connect = (provider: string, key = service.key) =>
  service.call('POST', `/users/${user}/connections/connect`, { body: { provider }, key });

describe('providers', () => {
  it('given some, then they are listed without secrets, newest first, and replaced as a whole', async () => {
    const key = service.makeKey(['admin'], { platformId: newId() });
    expect((await put('github', OAUTH, key)).json).toEqual({
      name: 'github',
      kind: 'oauth2',
      server_url: null,
      authorize_url: OAUTH.authorize_url,
      token_url: OAUTH.token_url,
      revoke_url: null,
      issuer: null,
      client_id: OAUTH.client_id,
      client_authentication: 'client_secret_basic',
      header_name: null,
      has_secret: true,
      scopes: ['repo'],
      created_at: expect.any(String),
      updated_at: expect.any(String),
    });
    expect((await put('weather', MCP, key)).json).toMatchObject({ header_name: 'Authorization', scopes: [] });
    const { client_secret: _, ...open } = OAUTH;
    expect((await put('github', open, key)).json).toMatchObject({
      has_secret: false,
      client_authentication: 'none',
    });
    const list = await service.call('GET', '/providers?limit=1', { key });
    expect(list.json).toMatchObject({ data: [{ name: 'weather' }], total: 2 });
    const next = await service.call('GET', `/providers?limit=1&cursor=${list.json.next_cursor}`, { key });
    expect(next.json).toMatchObject({ data: [{ name: 'github' }], next_cursor: null });
    expect(JSON.stringify([list.json, next.json])).not.toContain('a-secret');
    expect((await service.call('GET', '/providers')).json.total).toBe(0);
  });

  it('given one that is removed, then its secret is destroyed and its name is free again', async () => {
    await put('gone', OAUTH);
    const digest = createHash('sha256').update(`provider:${service.platformId}:gone`).digest();
    const [made] = await service.events(`provider-${derivedId(digest)}`);
    expect(made?.data.sealed).toMatch(/^v2\./);
    const keys = service.get<SubjectKeyStore>(KEY_STORE);
    expect(await keys.find(String(made?.data.subject_key))).toBeDefined();
    expect((await service.call('DELETE', '/providers/gone')).status).toBe(204);
    expect(await keys.find(String(made?.data.subject_key))).toBeUndefined();
    expect((await service.call('DELETE', '/providers/gone')).status).toBe(404);
    expect(await connect('gone')).toMatchObject({ status: 400, json: { errors: [{ field: 'provider' }] } });
    expect((await put('gone', OAUTH)).status).toBe(200);
    expect((await connect('gone')).status).toBe(201);
    await service.call('DELETE', '/providers/gone');
  });

  it.each<[string, object, string]>([
    ['no kind', { kind: undefined }, 'kind'],
    ['no authorize_url', { authorize_url: undefined }, 'authorize_url'],
    ['no token_url', { token_url: undefined }, 'token_url'],
    ['no client_id', { client_id: undefined }, 'client_id'],
    ['http', { token_url: 'http://github.com/token' }, 'token_url'],
    ['credentials in a URL', { token_url: 'https://a:b@github.com/token' }, 'token_url'],
    ['a fragment', { authorize_url: 'https://github.com/#x' }, 'authorize_url'],
    ['another scheme', { authorize_url: 'javascript:alert(1)' }, 'authorize_url'],
    ['a loopback address in disguise', { token_url: 'http://127.0.0.1.example.com/' }, 'token_url'],
    ['a scope with a space', { scopes: ['a b'] }, 'scopes'],
    ['a server_url of OAuth', { server_url: 'https://mcp.example.com' }, 'server_url'],
    ['a header of OAuth', { header: MCP.header }, 'header'],
    ['a secret that is not used', { client_authentication: 'none' }, 'client_secret'],
    [
      'no secret where one is used',
      { client_secret: undefined, client_authentication: 'client_secret_post' },
      'client_secret',
    ],
    ['MCP without its address', { kind: 'mcp' }, 'server_url'],
    ['MCP with both', { ...MCP }, 'authorize_url'],
    ['a field that is not known', { password: 'x' }, 'password'],
  ])('given %s, then it is refused by its field', async (_, changes, field) => {
    const answer = await put('bad', { ...OAUTH, ...changes });
    expect(answer).toMatchObject({ status: 400, json: { code: 'invalid_input', errors: [{ field }] } });
    expect(JSON.stringify(answer.json)).not.toContain('a-secret');
  });

  it.each([
    ['a reserved name', { name: 'Host', value: 'x' }, 'header.name'],
    ['a line break', { name: 'X-Key', value: 'x\r\nHost: y' }, 'header.value'],
    ['no text', 'x', 'header'],
  ])('given a header with %s, then it is refused', async (_, header, field) => {
    expect(await put('bad', { ...MCP, header })).toMatchObject({
      status: 400,
      json: { errors: [{ field }] },
    });
  });

  it('given a key that lacks the scope or is of one tenant, then it may not change them', async () => {
    const reader = service.makeKey(['connections:read']);
    const lacks = { status: 403, json: { required_scope: 'connections:write' } };
    expect(await put('github', OAUTH, reader)).toMatchObject(lacks);
    expect(await service.call('DELETE', '/providers/github', { key: reader })).toMatchObject(lacks);
    expect((await service.call('GET', '/providers', { key: reader })).status).toBe(200);
    const restricted = service.makeKey(['admin'], { only: true });
    expect(await put('github', OAUTH, restricted)).toMatchObject({ status: 403 });
    expect(await service.call('DELETE', '/providers/github', { key: restricted })).toMatchObject({
      status: 403,
    });
  });
});

describe('who may connect', () => {
  beforeAll(() => put('github', OAUTH));

  it('given a kit that leaves the provider out, then the connection is refused by that field', async () => {
    service.allowedProviders = ['gitlab'];
    expect(await connect('github')).toMatchObject({
      status: 409,
      json: { code: 'illegal_state', errors: [{ field: 'provider' }] },
    });
    service.allowedProviders = ['gitlab', 'github'];
    expect((await connect('github')).status).toBe(201);
  });

  it.each(['suspended', 'inactive', 'archived'] as const)(
    'given a user who is %s, then neither',
    async (status) => {
      const { id } = (await connect('github')).json;
      service.users.set(user, { tenantId: service.tenantId, status });
      const refused = { status: 409, json: { code: 'illegal_state', detail: `the user is ${status}` } };
      expect(await connect('github')).toMatchObject(refused);
      expect(await service.call('POST', `/users/${user}/connections/${id}/token`)).toMatchObject(refused);
      expect((await service.call('GET', `/users/${user}/connections/${id}`)).status).toBe(200);
    },
  );

  it('given another tenant, then every route answers as for a user who does not exist', async () => {
    const { id } = (await connect('github')).json;
    const key = service.makeKey(['admin'], { tenantId: newId() });
    for (const [method, rest] of [
      ['GET', ''],
      ['GET', `/${id}`],
      ['DELETE', `/${id}`],
      ['POST', `/${id}/token`],
      ['POST', '/connect'],
    ] as const) {
      const body = rest === '/connect' ? { body: { provider: 'github' } } : {};
      const ask = async (userId: string) => {
        const answer = await service.call(method, `/users/${userId}/connections${rest}`, { key, ...body });
        return { status: answer.status, json: { ...answer.json, request_id: '' } };
      };
      const foreign = await ask(user);
      expect(foreign).toMatchObject({ status: 404, json: { detail: 'user not found' } });
      expect(foreign).toEqual(await ask(newId()));
    }
    const other = service.makeUser();
    const mine = `/users/${other}/connections/${id}`;
    expect((await service.call('GET', mine)).status).toBe(404);
    expect((await service.call('POST', `${mine}/token`)).status).toBe(404);
    expect((await service.call('DELETE', mine)).status).toBe(404);
    expect((await service.call('GET', `/users/${user}/connections/${id}`)).status).toBe(200);
  });

  it('given a key without the scope, then it is refused', async () => {
    const { id } = (await connect('github')).json;
    const key = service.makeKey(['connections:read', 'connections:write']);
    const token = await service.call('POST', `/users/${user}/connections/${id}/token`, { key });
    expect(token).toMatchObject({ status: 403, json: { required_scope: 'vault:read' } });
    const reader = service.makeKey(['vault:read']);
    expect((await connect('github', reader)).json.required_scope).toBe('connections:write');
    expect((await service.call('GET', `/users/${user}/connections`, { key: reader })).status).toBe(403);
  });

  it.each([
    ['javascript:alert(1)', 'redirect_uri'],
    ['http://app.example.com/', 'redirect_uri'],
    ['https://app.example.com/#x', 'redirect_uri'],
    ['/connected', 'redirect_uri'],
  ])('given the redirect_uri %s, then it is refused', async (redirect_uri, field) => {
    const body = { provider: 'github', redirect_uri };
    expect(await service.call('POST', `/users/${user}/connections/connect`, { body })).toMatchObject({
      status: 400,
      json: { errors: [{ field }] },
    });
  });

  it('given an Idempotency-Key, then a repeated connect is the same connection and address', async () => {
    const ask = () =>
      service.call('POST', `/users/${user}/connections/connect`, {
        body: { provider: 'github' },
        headers: { 'idempotency-key': 'one' },
      });
    const first = await ask();
    expect(first.status).toBe(201);
    expect((await ask()).json).toEqual(first.json);
    expect((await service.call('GET', `/users/${user}/connections`)).json.total).toBe(1);
  });

  it('given several, then they are listed newest first, page by page', async () => {
    const made: string[] = [];
    for (let index = 0; index < 3; index++) made.unshift((await connect('github')).json.id);
    const first = await service.call('GET', `/users/${user}/connections?limit=2`);
    expect(first.json.data.map(({ id }: { id: string }) => id)).toEqual(made.slice(0, 2));
    expect(first.json.total).toBe(3);
    const rest = await service.call('GET', `/users/${user}/connections?cursor=${first.json.next_cursor}`);
    expect(rest.json.data.map(({ id }: { id: string }) => id)).toEqual(made.slice(2));
  });

  it('given all of the above, when the read models are built anew, then they are the same', async () => {
    for (const name of ['providers', 'connections']) {
      await service.readModels.catchUp(10_000);
      await service.readModels.rebuild(name, true);
      const state = () => service.readModels.rebuildStatus(name).state;
      while (state() === 'running') await new Promise((resolve) => setImmediate(resolve));
      expect(service.readModels.rebuildStatus(name)).toMatchObject({ state: 'completed', differences: 0 });
    }
  });
});
