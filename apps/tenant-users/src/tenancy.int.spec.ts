import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { newId } from '#kernel';
import { createApp, loadSettings, PlatformModule, ReadModels, startFollowing } from '#platform';
import { Bootstrap, TenantUsersModule, tenantUsersConsumer } from './index.js';

const clock = { time: Date.parse('2026-01-15T10:00:00Z'), now: () => new Date(clock.time) };
const UNKNOWN = newId();

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';
interface By {
  key?: string | undefined;
  tenant?: string;
}

describe('platforms, their tenants, kits and keys', () => {
  let dataDir: string;
  let app: NestFastifyApplication;
  let rootKey: string;
  /** The key of a platform that the tests share. */
  let own: string;
  let foreign: string;
  let foreignPlatform: { id: string; default_tenant_id: string; api_key: { id: string; raw_key: string } };

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'tenantry-tenancy-'));
    const settings = loadSettings({ TENANTRY_DATA_DIR: dataDir, LOG_LEVEL: 'silent' });
    ({ rootKey } = settings);
    class TestModule {}
    const imports = [PlatformModule.forRoot(settings, clock), TenantUsersModule];
    app = await createApp({ module: TestModule, imports }, [tenantUsersConsumer]);
    await startFollowing(app);
    own = (await newPlatform()).api_key.raw_key;
    foreignPlatform = await newPlatform();
    foreign = foreignPlatform.api_key.raw_key;
  });
  afterAll(async () => {
    await app.close();
    await rm(dataDir, { recursive: true });
  });

  const call = async (method: Method, url: string, body?: object, by: By = {}) => {
    const headers = {
      authorization: `Bearer ${by.key ?? own}`,
      ...(by.tenant && { 'x-tenant-id': by.tenant }),
    };
    const answer = await app.inject({ method, url, headers, ...(body && { payload: body }) });
    return { status: answer.statusCode, body: answer.body === '' ? undefined : answer.json(), answer };
  };
  const newPlatform = async () =>
    (await call('POST', '/v1/platforms', { name: 'Acme' }, { key: rootKey })).body;
  const issueKey = async (body: object, by?: By) =>
    (await call('POST', '/v1/platform-keys', { name: 'Key', scopes: ['users:read'], ...body }, by)).body;
  /** What an answer says apart from its request_id: what must not differ between foreign and missing. */
  const said = async (...request: Parameters<typeof call>) => {
    const { status, body } = await call(...request);
    const { request_id: _, ...rest } = body;
    return { status, ...rest };
  };
  const refusal = (status: number, code: string, field?: string) =>
    expect.objectContaining({
      status,
      code,
      ...(field && { errors: [expect.objectContaining({ field })] }),
    });

  describe('platform keys', () => {
    it('given an admin key, when one is issued, then it is shown once, listed and works', async () => {
      const platform = await newPlatform();
      const by = { key: platform.api_key.raw_key };
      const { status, body, answer } = await call(
        'POST',
        '/v1/platform-keys',
        { name: 'Server', scopes: ['users:read'], expires_at: '2026-02-01T00:00:00Z' },
        by,
      );
      expect(status).toBe(201);
      expect(answer.headers['tenantry-position']).toMatch(/^\d+$/);
      const { raw_key, ...shown } = body;
      expect(raw_key).toMatch(/^tnt_plat_[0-9A-Za-z]{33}$/);
      expect(shown).toEqual({
        id: expect.any(String),
        name: 'Server',
        key_prefix: raw_key.slice(0, 13),
        scopes: ['users:read'],
        tenant_id: null,
        status: 'active',
        expires_at: '2026-02-01T00:00:00.000Z',
        created_at: '2026-01-15T10:00:00.000Z',
      });
      const { raw_key: _, ...first } = platform.api_key;
      const list = (await call('GET', '/v1/platform-keys', undefined, by)).body;
      expect(list).toEqual({ data: [shown, first], next_cursor: null, total: 2 });
      const page = (await call('GET', '/v1/platform-keys?limit=1', undefined, by)).body;
      const next = await call('GET', `/v1/platform-keys?limit=1&cursor=${page.next_cursor}`, undefined, by);
      expect([page.data, next.body.data, next.body.next_cursor]).toEqual([[shown], [first], null]);
      expect((await call('GET', '/v1/users', undefined, { key: raw_key })).status).toBe(200);
      expect(await said('POST', '/v1/users', {}, { key: raw_key })).toEqual(refusal(403, 'forbidden'));
      expect(await said('GET', '/v1/platform-keys', undefined, { key: raw_key })).toMatchObject({
        status: 403,
        required_scope: 'admin',
      });
    });

    it('given a key in use, when it is revoked, then it is refused from the next request on', async () => {
      const { id, raw_key: key } = await issueKey({});
      expect((await call('GET', '/v1/users', undefined, { key })).status).toBe(200);
      for (const _ of ['once', 'again']) {
        const { status, body, answer } = await call('DELETE', `/v1/platform-keys/${id}`);
        expect([status, body]).toEqual([204, undefined]);
        expect(answer.headers['tenantry-position']).toMatch(/^\d+$/);
        expect(await said('GET', '/v1/users', undefined, { key })).toEqual(refusal(401, 'unauthorized'));
      }
      const [listed] = (await call('GET', '/v1/platform-keys?limit=1')).body.data;
      expect(listed).toMatchObject({ id, status: 'revoked' });
    });

    it('given a key with an expiry, when the time comes, then it is refused', async () => {
      const expires_at = new Date(clock.time + 60_000).toISOString();
      const { id, raw_key: key } = await issueKey({ expires_at });
      clock.time += 59_999;
      expect((await call('GET', '/v1/users', undefined, { key })).status).toBe(200);
      clock.time += 1;
      expect((await call('GET', '/v1/users', undefined, { key })).status).toBe(401);
      expect((await call('GET', '/v1/platform-keys?limit=1')).body.data[0]).toMatchObject({
        id,
        status: 'expired',
      });
    });

    it("given another platform's key, then revoking it answers as for one that does not exist", async () => {
      const answer = await said('DELETE', `/v1/platform-keys/${foreignPlatform.api_key.id}`);
      expect(answer).toEqual(await said('DELETE', `/v1/platform-keys/${UNKNOWN}`));
      expect(answer).toEqual(refusal(404, 'not_found'));
      expect((await call('GET', '/v1/users', undefined, { key: foreign })).status).toBe(200);
    });

    it.each([
      ['name', { scopes: ['admin'] }],
      ['scopes', { name: 'x' }],
      ['scopes', { name: 'x', scopes: [] }],
      ['scopes', { name: 'x', scopes: ['users:read', 'root'] }],
      ['scopes', { name: 'x', scopes: ['admin', 'admin'] }],
      ['tenant_id', { name: 'x', scopes: ['admin'], tenant_id: UNKNOWN }],
      ['expires_at', { name: 'x', scopes: ['admin'], expires_at: '2020-01-01T00:00:00Z' }],
      ['raw_key', { name: 'x', scopes: ['admin'], raw_key: 'mine' }],
    ])('given a bad %s, when a key is issued, then 400 names it', async (field, body) => {
      expect(await said('POST', '/v1/platform-keys', body)).toEqual(refusal(400, 'invalid_input', field));
    });

    it("given another platform's tenant, then a key for it is refused as for one that does not exist", async () => {
      const keyFor = (tenant_id: string) =>
        said('POST', '/v1/platform-keys', { name: 'x', scopes: ['admin'], tenant_id });
      expect(await keyFor(foreignPlatform.default_tenant_id)).toEqual(await keyFor(UNKNOWN));
    });
  });

  it('given the first key was revoked, when the service starts again, then it says nothing of it', async () => {
    const bootstrap = app.get(Bootstrap);
    const key = (await bootstrap.run())?.platformKey;
    const [first] = (await call('GET', '/v1/platform-keys', undefined, { key })).body.data;
    expect((await call('DELETE', `/v1/platform-keys/${first.id}`, undefined, { key })).status).toBe(204);
    expect(await bootstrap.run()).toBeUndefined();
    expect((await call('GET', '/v1/users', undefined, { key })).status).toBe(401);
  });

  it('given all of that, when the read model is rebuilt, then no row differs', async () => {
    const readModels = app.get(ReadModels);
    readModels.rebuild('access', true);
    while (readModels.rebuildStatus('access').state === 'running') await sleep(5);
    expect(readModels.rebuildStatus('access')).toMatchObject({ state: 'completed', differences: 0 });
  });
});
