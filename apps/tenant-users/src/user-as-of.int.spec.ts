import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '#kernel';
import { openService, type ServiceApplication } from '../../../test/service-application.js';
import { TenantUsersModule, tenantUsersConsumer } from './index.js';

const clock = { time: Date.parse('2026-01-15T10:00:00Z'), now: () => new Date(clock.time) };

describe('a user as of a moment', () => {
  let service: ServiceApplication;
  let key: string;
  let id: string;
  /** What each write answered, by revision. */
  const answered: { revision: number; updated_at: string }[] = [];

  beforeAll(async () => {
    service = await openService({ modules: [TenantUsersModule], consumers: [tenantUsersConsumer], clock });
    key = (await service.newPlatform()).api_key.raw_key;
    const user = {
      external_id: 'alice',
      email: 'alice@example.com',
      metadata: { plan: 'free' },
      teams: ['red'],
    };
    answered.push((await service.call('POST', '/v1/users', user, { key })).body);
    ({ id } = answered[0] as unknown as { id: string });
    for (const changes of [
      { label: 'Alice', metadata: { plan: 'pro', seats: [1] } },
      { status: 'suspended', teams: [], email: null },
      { account_kit_id: (await service.call('POST', '/v1/account-kits', { name: 'Pro' }, { key })).body.id },
    ]) {
      clock.time += 60_000;
      answered.push((await service.call('PATCH', `/v1/users/${id}`, changes, { key })).body);
    }
  });
  afterAll(() => service.remove());

  const get = (query: string, by = key, user = id) =>
    service.call('GET', `/v1/users/${user}?${query}`, undefined, { key: by });
  const refused = async (...request: Parameters<typeof get>) => {
    const { request_id: _, ...body } = (await get(...request)).body;
    return body;
  };
  const keyWith = async (...scopes: string[]): Promise<string> =>
    (await service.call('POST', '/v1/platform-keys', { name: 'Key', scopes }, { key })).body.raw_key;

  it.each([0, 1, 2, 3])('given revision %d, then the user is what the write answered', async (revision) => {
    const { status, body, headers } = await get(`revision=${revision}`);
    expect([status, body, headers.etag]).toEqual([200, answered[revision], `"${revision}"`]);
  });

  it('given a time, then the user is what the last write until then answered', async () => {
    for (const [revision, user] of answered.entries()) {
      const written = Date.parse(user.updated_at);
      for (const time of [written, written + 59_999]) {
        const { body, headers } = await get(`at=${new Date(time).toISOString()}`);
        expect([body, headers.etag]).toEqual([user, `"${revision}"`]);
      }
    }
    expect((await get('at=2126-01-01T00:00:00Z')).body).toEqual(answered.at(-1));
    expect((await get('at=2026-01-15T10:00:00.000999Z')).body).toEqual(answered[0]);
  });

  it('given a moment before the user was there, or a revision that it has not come to, then 404', async () => {
    const missing = await refused('revision=0', key, newId());
    expect(missing).toMatchObject({ status: 404, code: 'not_found' });
    for (const query of ['at=2026-01-15T09:59:59.999Z', 'revision=4', 'revision=999999999999999']) {
      expect(await refused(query)).toEqual(missing);
    }
    const foreign = (await service.newPlatform()).api_key.raw_key;
    for (const query of ['revision=0', 'at=2126-01-01T00:00:00Z']) {
      expect(await refused(query, foreign)).toEqual(missing);
    }
  });

  it('given a deleted user, then 404 for every moment of it', async () => {
    const { body } = await service.call('POST', '/v1/users', {}, { key });
    const then = clock.now().toISOString();
    clock.time += 1_000;
    await service.call('DELETE', `/v1/users/${body.id}`, undefined, { key });
    for (const query of ['revision=0', 'revision=1', `at=${then}`]) {
      expect((await get(query, key, body.id)).status).toBe(404);
    }
  });

  it('given a key without audit:read, then 403 names it; the present needs it not', async () => {
    const reader = await keyWith('users:read');
    for (const query of ['revision=0', 'at=2026-01-15T10:00:00Z']) {
      expect(await refused(query, reader)).toMatchObject({ status: 403, required_scope: 'audit:read' });
      expect((await get(query, await keyWith('users:read', 'audit:read'))).status).toBe(200);
    }
    expect(await refused('revision=0', await keyWith('audit:read'))).toMatchObject({
      status: 403,
      required_scope: 'users:read',
    });
    expect((await get('', reader)).status).toBe(200);
  });

  it.each([
    ['revision', 'revision=1&at=2026-01-15T10:00:00Z'],
    ['revision', 'revision=-1'],
    ['revision', 'revision=1.5'],
    ['revision', 'revision='],
    ['revision', 'revision=1&revision=2'],
    ['at', 'at=yesterday'],
    ['at', 'at=2026-02-30T00:00:00Z'],
    ['since', 'since=1'],
  ])('given a bad %s, then 400 names it (%s)', async (field, query) => {
    expect(await refused(query)).toMatchObject({ status: 400, errors: [expect.objectContaining({ field })] });
  });

  it('given default, then it is the default user', async () => {
    expect((await get('revision=0', key, 'default')).body).toMatchObject({ is_default: true, revision: 0 });
  });
});
