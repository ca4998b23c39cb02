import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Answer, RequestOptions, Service } from '#testing';
import {
  completedDeletion,
  createEquippedUser,
  createPlatform,
  createUser,
  expectProblem,
  type IssuedKey,
  MISSING_ID,
  type Page,
  type Platform,
  start,
  type User,
  verifyKey,
} from './support.js';

/** Every route that takes a user's id, with a body that it takes. */
const ROUTES: { route: string; body?: object }[] = [
  { route: 'GET /v1/users/ID' },
  { route: 'PATCH /v1/users/ID', body: { label: 'x' } },
  { route: 'PATCH /v1/users/ID', body: {} },
  { route: 'PATCH /v1/users/ID', body: { status: 'suspended' } },
  { route: 'DELETE /v1/users/ID' },
  { route: 'GET /v1/users/ID/deletion' },
  { route: 'POST /v1/users/ID/keys', body: { name: 'x' } },
  { route: 'POST /v1/users/ID/keys', body: { expires_at: '2020-01-01T00:00:00Z' } },
  { route: 'GET /v1/users/ID/keys' },
  { route: 'DELETE /v1/users/ID/keys/KEY' },
  { route: 'PUT /v1/users/ID/budget', body: { limit_usd: '1.00', period: 'none' } },
  { route: 'GET /v1/users/ID/budget' },
  { route: 'POST /v1/users/ID/budget/spend', body: { amount_usd: '0.01' } },
  { route: 'POST /v1/users/ID/budget/spend', body: { amount_usd: '0' } },
  { route: 'POST /v1/users/ID/budget/spend', body: { amount_usd: '9999' } },
  { route: 'GET /v1/users/ID/budget/transactions' },
  { route: 'PUT /v1/users/ID/vault/openai_key', body: { value: 'x' } },
  { route: 'GET /v1/users/ID/vault' },
  { route: 'GET /v1/users/ID/vault/openai_key' },
  { route: 'DELETE /v1/users/ID/vault/openai_key' },
];

/** Conditions on a revision, which a foreign user may or may not meet. */
const CONDITIONS = [{}, { 'if-match': '"0"' }, { 'if-match': '"99"' }, { 'if-match': '*' }];

describe('another platform', () => {
  let service: Service;
  let other: Platform;
  let mine: User;
  let theirs: User & { rawKey: string };
  let theirKey: IssuedKey;
  let theirDeleted: User;

  /** The answer without what tells one request from the next. */
  const bare = ({ status, headers, text }: Answer<unknown>) => ({
    status,
    headers: [...headers].filter(([name]) => name !== 'x-request-id' && name !== 'date'),
    text: text.replace(/"request_id":"[^"]+"/, ''),
  });
  const ask = async (route: string, ids: { id: string; key: string }, options: RequestOptions) => {
    const [method = '', path = ''] = route.split(' ');
    const filled = path.replace('ID', ids.id).replace('KEY', ids.key);
    return bare(await service.request(method, filled, { key: other.api_key.raw_key, ...options }));
  };

  beforeAll(async () => {
    service = await start();
    other = await createPlatform(service, 'Other');
    mine = await createUser(service, { external_id: 'mine' }, { key: other.api_key.raw_key });
    theirs = await createEquippedUser(service, { external_id: 'theirs', email: 'theirs@example.com' });
    const keys = await service.request<Page<IssuedKey>>('GET', `/v1/users/${theirs.id}/keys`);
    theirKey = keys.body.data[0] as IssuedKey;
    theirDeleted = await createEquippedUser(service, { external_id: 'deleted' });
    await service.request('DELETE', `/v1/users/${theirDeleted.id}`);
    await completedDeletion(service, theirDeleted.id);
  });

  describe.each(ROUTES)('$route with the body $body', ({ route, body }) => {
    it.each(CONDITIONS)(
      'and the headers %j answers byte for byte the same for foreign and for missing',
      async (headers) => {
        const options = { headers, ...(body && { body }) };
        const missing = await ask(route, { id: MISSING_ID, key: MISSING_ID }, options);
        expect(missing.status).toBe(404);
        expect(await ask(route, { id: theirs.id, key: theirKey.id }, options)).toEqual(missing);
        expect(await ask(route, { id: theirDeleted.id, key: theirKey.id }, options)).toEqual(missing);
      },
    );
  });

  it("given one's own user, when a foreign key's id is revoked, then as a missing one", async () => {
    const route = 'DELETE /v1/users/ID/keys/KEY';
    const missing = await ask(route, { id: mine.id, key: MISSING_ID }, {});
    expect(missing.status).toBe(404);
    expect(await ask(route, { id: mine.id, key: theirKey.id }, {})).toEqual(missing);
    expect(await verifyKey(service, theirs.rawKey)).toMatchObject({ valid: true });
  });

  it('given a foreign kit, when a user is created with it, then as a missing one', async () => {
    const create = (account_kit_id: string) => ask('POST /v1/users', mineIds(), { body: { account_kit_id } });
    expect(await create(theirs.account_kit_id)).toEqual(await create(MISSING_ID));
  });
  const mineIds = () => ({ id: mine.id, key: MISSING_ID });

  it('given all those tries, then nothing of the foreign user has changed', async () => {
    const { rawKey: _, ...user } = theirs;
    expect((await service.request('GET', `/v1/users/${theirs.id}`)).body).toEqual(user);
    const path = `/v1/users/${theirs.id}`;
    expect((await service.request('GET', `${path}/budget`)).body).toMatchObject({ remaining_usd: '10.00' });
    expect((await service.request('GET', `${path}/vault/openai_key`)).body).toMatchObject({
      value: 'sk-secret',
    });
    expect(await verifyKey(service, theirs.rawKey)).toMatchObject({ valid: true });
  });

  it('given foreign users, when users are listed or looked up, then neither rows nor totals tell', async () => {
    const key = other.api_key.raw_key;
    const { body } = await service.request<Page<User>>('GET', '/v1/users', { key });
    expect(body.data.map(({ id, is_default }) => is_default || id)).toEqual([mine.id, true]);
    expect(body.total).toBe(2);
    const found = await service.request('GET', '/v1/users?external_id=theirs', { key });
    expect(found.body).toEqual({ data: [], next_cursor: null, total: 0 });
  });

  it('given an external_id that a foreign user has, when it is created here, then it is free', async () => {
    const user = await createUser(service, { external_id: 'theirs' }, { key: other.api_key.raw_key });
    expect(user.id).not.toBe(theirs.id);
  });

  it("given a foreign user's key, when it is verified, then it is unknown", async () => {
    const answer = await verifyKey(service, theirs.rawKey, { key: other.api_key.raw_key });
    expect(answer).toEqual({ valid: false, code: 'unknown' });
  });

  it('given X-Tenant-Id of another platform, then 404 as for a missing tenant', async () => {
    const to = (tenantId: string) =>
      ask('GET /v1/users', mineIds(), { headers: { 'x-tenant-id': tenantId } });
    const missing = await to(MISSING_ID);
    expect(missing.status).toBe(404);
    expect(await to(theirs.tenant_id)).toEqual(missing);
    expect((await to(other.default_tenant_id)).status).toBe(200);
  });

  it('given a cursor of another platform, then it shows nothing of it', async () => {
    const { body } = await service.request<Page<User>>('GET', '/v1/users?limit=1');
    const path = `/v1/users?limit=100&cursor=${body.next_cursor}`;
    const mineAlone = await service.request<Page<User>>('GET', path, { key: other.api_key.raw_key });
    expect(mineAlone.body.data.every(({ tenant_id }) => tenant_id === mine.tenant_id)).toBe(true);
  });

  it('given the default user of each, then default names one of its own', async () => {
    const key = other.api_key.raw_key;
    const own = await service.request<User>('GET', '/v1/users/default', { key });
    expect(own.body).toMatchObject({ is_default: true, tenant_id: other.default_tenant_id });
    const first = await service.request<User>('GET', '/v1/users/default');
    expect(first.body.id).not.toBe(own.body.id);
    const foreign = await service.request('GET', `/v1/users/${first.body.id}`, { key });
    expectProblem(foreign, { status: 404, code: 'not_found' });
    const deleted = await service.request('DELETE', `/v1/users/${first.body.id}`, { key });
    expectProblem(deleted, { status: 404, code: 'not_found' });
  });
});
