import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Aggregates } from '#event-store';
import { newId, systemContext } from '#kernel';
import { createApp, loadSettings, PlatformModule, ReadModels, startFollowing } from '#platform';
import { tenant } from './domain/tenant.js';
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

  describe('platforms', () => {
    it('given a platform, when its own key or the root key patches it, then only what is given changes', async () => {
      const platform = await newPlatform();
      const { api_key: _, ...shown } = platform;
      const url = `/v1/platforms/${platform.id}`;
      const by = { key: platform.api_key.raw_key };
      expect((await call('GET', url, undefined, by)).body).toEqual(shown);
      const patched = await call('PATCH', url, { settings: { default_budget_usd: '12.5' } }, by);
      expect(patched.status).toBe(200);
      expect(patched.answer.headers['tenantry-position']).toMatch(/^\d+$/);
      const settings = { default_budget_usd: '12.50', default_role: 'member' };
      expect(patched.body).toEqual({ ...shown, settings });
      const root = { key: rootKey };
      const renamed = { name: 'Acme AI', settings: { default_role: 'guest' } };
      const expected = { ...shown, name: 'Acme AI', settings: { ...settings, default_role: 'guest' } };
      expect((await call('PATCH', url, renamed, root)).body).toEqual(expected);
      expect((await call('PATCH', url, {}, root)).body).toEqual(expected);
      expect((await call('POST', '/v1/users', {}, by)).body).toMatchObject({ role: 'guest' });
      const cleared = { settings: { default_budget_usd: null } };
      expect((await call('PATCH', url, cleared, by)).body.settings).toEqual({
        default_budget_usd: null,
        default_role: 'guest',
      });
      expect((await call('GET', url, undefined, root)).body).toMatchObject({ name: 'Acme AI' });
    });

    it('given another platform, then it answers as for one that does not exist', async () => {
      for (const method of ['GET', 'PATCH'] as const) {
        const body = method === 'PATCH' ? { name: 'Mine' } : undefined;
        const answer = await said(method, `/v1/platforms/${foreignPlatform.id}`, body);
        expect(answer).toEqual(refusal(404, 'not_found'));
        expect(answer).toEqual(await said(method, `/v1/platforms/${UNKNOWN}`, body));
        expect(answer).toEqual(await said(method, `/v1/platforms/${UNKNOWN}`, body, { key: rootKey }));
      }
      const { body } = await call('GET', `/v1/platforms/${foreignPlatform.id}`, undefined, { key: foreign });
      expect(body.name).toBe('Acme');
    });

    it('given a key restricted to a tenant, then it may read the platform but not change it', async () => {
      const { id, default_tenant_id, api_key } = await newPlatform();
      const wanted = { scopes: ['admin'], tenant_id: default_tenant_id };
      const { raw_key: key } = await issueKey(wanted, { key: api_key.raw_key });
      expect((await call('GET', `/v1/platforms/${id}`, undefined, { key })).status).toBe(200);
      expect(await said('PATCH', `/v1/platforms/${id}`, { name: 'x' }, { key })).toEqual(
        refusal(403, 'forbidden'),
      );
    });

    it.each([
      ['name', { name: null }],
      ['settings', { settings: null }],
      ['settings.default_role', { settings: { default_role: null } }],
      ['settings.default_budget_usd', { settings: { default_budget_usd: -1 } }],
      ['settings.color', { settings: { color: 'red' } }],
      ['id', { id: UNKNOWN }],
    ])('given a bad %s, when it is patched, then 400 names it', async (field, body) => {
      const url = `/v1/platforms/${foreignPlatform.id}`;
      expect(await said('PATCH', url, body, { key: rootKey })).toEqual(refusal(400, 'invalid_input', field));
    });
  });

  describe('tenants', () => {
    const create = async (body: object, by?: By) =>
      (await call('POST', '/v1/tenants', { name: 'Globex', ...body }, by)).body;

    it('given a platform, when a tenant is created, then it has its default user and can be acted in', async () => {
      const by = { key: (await newPlatform()).api_key.raw_key };
      const settings = { plan: 'pro', nested: { a: [1, null] } };
      const body = { name: 'Globex', external_id: 'customer-7', settings };
      const { status, body: tenant, answer } = await call('POST', '/v1/tenants', body, by);
      expect(status).toBe(201);
      expect(answer.headers).toMatchObject({
        location: `/v1/tenants/${tenant.id}`,
        'tenantry-position': expect.stringMatching(/^\d+$/),
      });
      expect(tenant).toEqual({
        id: expect.any(String),
        ...body,
        is_default: false,
        default_user_id: expect.any(String),
        created_at: clock.now().toISOString(),
        updated_at: clock.now().toISOString(),
      });
      expect((await call('GET', `/v1/tenants/${tenant.id}`, undefined, by)).body).toEqual(tenant);
      const inTenant = { ...by, tenant: tenant.id };
      expect((await call('GET', '/v1/users/default', undefined, inTenant)).body).toMatchObject({
        id: tenant.default_user_id,
        tenant_id: tenant.id,
        is_default: true,
      });
      const { id: userId } = (await call('POST', '/v1/users', {}, inTenant)).body;
      expect((await call('GET', '/v1/users', undefined, inTenant)).body.total).toBe(2);
      expect((await call('GET', `/v1/users/${userId}`, undefined, by)).status).toBe(404);
    });

    it('given several, when they are listed, then newest first, page by page, of this platform alone', async () => {
      const platform = await newPlatform();
      const by = { key: platform.api_key.raw_key };
      const ids = [platform.default_tenant_id];
      for (let count = 0; count < 2; count++) ids.unshift((await create({}, by)).id);
      const first = (await call('GET', '/v1/tenants?limit=2', undefined, by)).body;
      const cursor = first.next_cursor;
      const second = (await call('GET', `/v1/tenants?limit=2&cursor=${cursor}`, undefined, by)).body;
      expect([...first.data, ...second.data].map(({ id }: { id: string }) => id)).toEqual(ids);
      expect([first.total, second.total, second.next_cursor]).toEqual([3, 3, null]);
      expect(second.data[0]).toMatchObject({ is_default: true, external_id: null, settings: {} });
    });

    it('given many creates at once with one external_id, then there is one tenant', async () => {
      const attempt = () => call('POST', '/v1/tenants', { name: 'Initech', external_id: 'customer-8' });
      const answers = await Promise.all(Array.from({ length: 10 }, attempt));
      const made = answers.filter(({ status }) => status === 201);
      expect(made).toHaveLength(1);
      const [existing_id] = made.map(({ body }) => body.id);
      for (const { status, body } of answers.filter((answer) => !made.includes(answer))) {
        expect({ status, ...body }).toMatchObject({ code: 'duplicate_record', status: 409, existing_id });
      }
      expect((await create({ external_id: 'customer-8' }, { key: foreign })).external_id).toBe('customer-8');
    });

    it('given a crash right after a tenant was created, then it gets its default user all the same', async () => {
      const { id: platform_id, api_key } = await newPlatform();
      const [id, default_user_id] = [newId(), newId()];
      const cause = { id: newId(), correlationId: newId() };
      const context = systemContext(cause, { platformId: platform_id, tenantId: id }, 'test');
      const data = { platform_id, name: 'Globex', is_default: false, default_user_id };
      await app.get(Aggregates).execute(tenant, id, { kind: 'create', ...data }, { context });
      const by = { key: api_key.raw_key, tenant: id };
      const defaultUser = () => call('GET', '/v1/users/default', undefined, by);
      while ((await defaultUser()).status !== 200) await sleep(5);
      const expected = { id: default_user_id, tenant_id: id, is_default: true };
      expect((await defaultUser()).body).toMatchObject(expected);
    });

    it('given a tenant, when it is patched, then only what is given changes', async () => {
      const tenant = await create({ settings: { a: 1 } });
      clock.time += 1_000;
      const url = `/v1/tenants/${tenant.id}`;
      const { status, body, answer } = await call('PATCH', url, { settings: { b: 2 } });
      const expected = { ...tenant, settings: { b: 2 }, updated_at: clock.now().toISOString() };
      expect([status, body]).toEqual([200, expected]);
      expect(answer.headers['tenantry-position']).toMatch(/^\d+$/);
      expect((await call('PATCH', url, { name: 'Globex Inc.' })).body.name).toBe('Globex Inc.');
      expect((await call('GET', url)).body).toEqual({ ...expected, name: 'Globex Inc.' });
    });

    it("given another platform's tenant, then it answers as for one that does not exist", async () => {
      const { id } = await create({}, { key: foreign });
      expect(await said('GET', `/v1/tenants/${id}`)).toEqual(refusal(404, 'not_found'));
      expect(await said('GET', `/v1/tenants/${id}`)).toEqual(await said('GET', `/v1/tenants/${UNKNOWN}`));
      const patch = (tenant: string) => said('PATCH', `/v1/tenants/${tenant}`, { name: 'Mine' });
      expect(await patch(id)).toEqual(await patch(UNKNOWN));
      const actIn = (tenant: string) => said('GET', '/v1/users', undefined, { tenant });
      expect(await actIn(id)).toEqual(refusal(404, 'not_found'));
      expect(await actIn(id)).toEqual(await actIn(UNKNOWN));
      expect((await call('GET', `/v1/tenants/${id}`, undefined, { key: foreign })).body.name).toBe('Globex');
    });

    it('given a key restricted to a tenant, then it acts in that one and knows of no other', async () => {
      const mine = await create({});
      const other = await create({});
      const { id: otherKey } = await issueKey({ tenant_id: other.id });
      const by = { key: (await issueKey({ scopes: ['admin'], tenant_id: mine.id })).raw_key };
      expect((await call('GET', '/v1/users/default', undefined, by)).body.tenant_id).toBe(mine.id);
      expect((await call('GET', '/v1/users', undefined, { ...by, tenant: mine.id })).status).toBe(200);
      const actIn = (tenant: string) => said('GET', '/v1/users', undefined, { ...by, tenant });
      expect(await actIn(other.id)).toEqual(refusal(404, 'not_found'));
      expect(await actIn(other.id)).toEqual(await actIn(UNKNOWN));
      const list = (await call('GET', '/v1/tenants', undefined, by)).body;
      expect([list.data, list.total]).toEqual([[mine], 1]);
      for (const method of ['GET', 'PATCH'] as const) {
        const answerTo = (id: string) =>
          said(method, `/v1/tenants/${id}`, method === 'PATCH' ? { name: 'x' } : undefined, by);
        expect(await answerTo(other.id)).toEqual(refusal(404, 'not_found'));
        expect(await answerTo(other.id)).toEqual(await answerTo(UNKNOWN));
      }
      expect((await call('PATCH', `/v1/tenants/${mine.id}`, { name: 'Mine' }, by)).body.name).toBe('Mine');
      expect(await issueKey({ tenant_id: other.id }, by)).toMatchObject({ errors: [{ field: 'tenant_id' }] });
      const { id, tenant_id } = await issueKey({}, by);
      expect(tenant_id).toBe(mine.id);
      const keys = (await call('GET', '/v1/platform-keys', undefined, by)).body;
      expect([keys.data[0].id, keys.total]).toEqual([id, 2]);
      expect(await said('DELETE', `/v1/platform-keys/${otherKey}`, undefined, by)).toEqual(
        await said('DELETE', `/v1/platform-keys/${UNKNOWN}`, undefined, by),
      );
    });

    it.each([
      ['name', {}],
      ['name', { name: '' }],
      ['external_id', { name: 'x', external_id: 7 }],
      ['settings', { name: 'x', settings: [] }],
      ['is_default', { name: 'x', is_default: true }],
    ])('given a bad %s, when a tenant is created, then 400 names it', async (field, body) => {
      expect(await said('POST', '/v1/tenants', body)).toEqual(refusal(400, 'invalid_input', field));
    });
  });

  describe('account kits', () => {
    const create = async (body: object, by?: By) =>
      (await call('POST', '/v1/account-kits', { name: 'Pro', ...body }, by)).body;
    const policy = {
      budget_usd: '25.00',
      budget_period: 'none',
      key_scopes: ['inference'],
      rate_limits: { requests: { limit: 100, window_seconds: 60 } },
      allowed_providers: ['github'],
    };
    const open = { budget_usd: null, budget_period: 'monthly', key_scopes: null, allowed_providers: null };

    it('given a platform, when kits are created, then they are listed beside the default one', async () => {
      const platform = await newPlatform();
      const by = { key: platform.api_key.raw_key };
      const body = { name: 'Pro', ...policy, budget_usd: 25 };
      const { status, body: kit, answer } = await call('POST', '/v1/account-kits', body, by);
      expect(status).toBe(201);
      expect(answer.headers).toMatchObject({
        location: `/v1/account-kits/${kit.id}`,
        'tenantry-position': expect.stringMatching(/^\d+$/),
      });
      const at = clock.now().toISOString();
      const made = { id: expect.any(String), is_default: false, created_at: at, updated_at: at };
      expect(kit).toEqual({ ...made, name: 'Pro', ...policy });
      expect((await call('GET', `/v1/account-kits/${kit.id}`, undefined, by)).body).toEqual(kit);
      const plain = { ...made, ...open, name: 'Plain', rate_limits: {} };
      expect(await create({ name: 'Plain' }, by)).toEqual(plain);
      const first = (await call('GET', '/v1/account-kits?limit=2', undefined, by)).body;
      expect([first.data, first.total]).toEqual([[plain, kit], 3]);
      const url = `/v1/account-kits?limit=2&cursor=${first.next_cursor}`;
      expect((await call('GET', url, undefined, by)).body).toEqual({
        data: [{ ...plain, id: platform.default_account_kit_id, name: 'Default', is_default: true }],
        next_cursor: null,
        total: 3,
      });
    });

    it('given a kit, when it is patched, then only what is given changes and null clears', async () => {
      const kit = await create(policy);
      const url = `/v1/account-kits/${kit.id}`;
      const rate_limits = { tokens: { limit: 5, window_seconds: 1 } };
      clock.time += 1_000;
      const { status, body, answer } = await call('PATCH', url, { rate_limits, key_scopes: null });
      const updated_at = clock.now().toISOString();
      expect([status, body]).toEqual([200, { ...kit, rate_limits, key_scopes: null, updated_at }]);
      expect(answer.headers['tenantry-position']).toMatch(/^\d+$/);
      expect((await call('PATCH', url, { name: 'Max', budget_usd: null })).body).toEqual({
        ...body,
        name: 'Max',
        budget_usd: null,
      });
    });

    it('given a kit in use in any tenant, then it cannot be deleted until the user has another', async () => {
      const { id: account_kit_id } = await create({});
      const { id: tenant } = (await call('POST', '/v1/tenants', { name: 'Globex' })).body;
      const { id } = (await call('POST', '/v1/users', { account_kit_id }, { tenant })).body;
      const url = `/v1/account-kits/${account_kit_id}`;
      expect(await said('DELETE', url)).toEqual(refusal(409, 'illegal_state'));
      const other = (await create({})).id;
      await call('PATCH', `/v1/users/${id}`, { account_kit_id: other }, { tenant });
      const { status, answer } = await call('DELETE', url);
      expect([status, answer.headers['tenantry-position']]).toEqual([204, expect.stringMatching(/^\d+$/)]);
      for (const method of ['GET', 'DELETE'] as const) {
        expect(await said(method, url)).toEqual(refusal(404, 'not_found'));
      }
      expect(await said('POST', '/v1/users', { account_kit_id })).toEqual(
        refusal(400, 'invalid_input', 'account_kit_id'),
      );
    });

    it('given the default kit, then it can be patched but not deleted', async () => {
      const platform = await newPlatform();
      const by = { key: platform.api_key.raw_key };
      const url = `/v1/account-kits/${platform.default_account_kit_id}`;
      expect((await call('PATCH', url, { budget_usd: '1' }, by)).body.budget_usd).toBe('1.00');
      expect(await said('DELETE', url, undefined, by)).toEqual(refusal(409, 'illegal_state'));
    });

    it("given another platform's kit, then it answers as for one that does not exist", async () => {
      const { id } = await create({}, { key: foreign });
      for (const method of ['GET', 'PATCH', 'DELETE'] as const) {
        const body = method === 'PATCH' ? { name: 'Mine' } : undefined;
        const answer = await said(method, `/v1/account-kits/${id}`, body);
        expect(answer).toEqual(refusal(404, 'not_found'));
        expect(answer).toEqual(await said(method, `/v1/account-kits/${UNKNOWN}`, body));
      }
      const giving = (account_kit_id: string) => said('POST', '/v1/users', { account_kit_id });
      expect(await giving(id)).toEqual(await giving(UNKNOWN));
    });

    it('given a key without the scope or of one tenant, then it only reads kits and tenants', async () => {
      const tenant_id = (await call('POST', '/v1/tenants', { name: 'Globex' })).body.id;
      const { id } = await create({});
      for (const wanted of [{ scopes: ['tenants:read'] }, { scopes: ['admin'], tenant_id }]) {
        const by = { key: (await issueKey(wanted)).raw_key };
        expect((await call('GET', `/v1/account-kits/${id}`, undefined, by)).status).toBe(200);
        expect((await call('GET', '/v1/tenants', undefined, by)).status).toBe(200);
        expect(await said('POST', '/v1/tenants', { name: 'x' }, by)).toEqual(refusal(403, 'forbidden'));
        for (const method of ['POST', 'PATCH', 'DELETE'] as const) {
          const url = `/v1/account-kits${method === 'POST' ? '' : `/${id}`}`;
          const body = method === 'DELETE' ? undefined : { name: 'x' };
          expect(await said(method, url, body, by)).toEqual(refusal(403, 'forbidden'));
        }
      }
    });

    it.each([
      ['name', {}],
      ['budget_usd', { name: 'x', budget_usd: '1.0000001' }],
      ['budget_period', { name: 'x', budget_period: 'weekly' }],
      ['key_scopes', { name: 'x', key_scopes: ['a b'] }],
      ['rate_limits', { name: 'x', rate_limits: [] }],
      ['rate_limits', { name: 'x', rate_limits: { requests: { limit: 0, window_seconds: 60 } } }],
      ['rate_limits', { name: 'x', rate_limits: { requests: { limit: 1, window_seconds: 60, more: 1 } } }],
      ['allowed_providers', { name: 'x', allowed_providers: 'github' }],
      ['is_default', { name: 'x', is_default: true }],
    ])('given a bad %s, when a kit is created, then 400 names it', async (field, body) => {
      expect(await said('POST', '/v1/account-kits', body)).toEqual(refusal(400, 'invalid_input', field));
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
    await readModels.rebuild('access', true);
    while (readModels.rebuildStatus('access').state === 'running') await sleep(5);
    expect(readModels.rebuildStatus('access')).toMatchObject({ state: 'completed', differences: 0 });
  });
});
