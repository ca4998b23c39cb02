import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { SqliteEventStore } from '#event-store';
import { newId, streamId, systemContext, unavailable } from '#kernel';
import {
  createApp,
  DURABLE_DATABASE,
  loadSettings,
  PlatformModule,
  type Settings,
  startFollowing,
} from '#platform';
import { IdentifierRegistry } from '#privacy';
import type { ReadDatabase } from '#projections';
import { filesUnder } from '#testing';
import { TenantUsersModule, tenantUsersConsumer } from './index.js';
import { PARTICIPANTS } from './policies/participants.js';
import { UserDeletionProcess } from './policies/user-deletion.js';

const ANY_SCOPE = { platformId: null, tenantId: null };
const DAY_MS = 24 * 60 * 60 * 1_000;
const clock = { time: Date.parse('2026-01-15T10:00:00Z'), now: () => new Date(clock.time) };

describe('requests with an Idempotency-Key', () => {
  let settings: Settings;
  let app: NestFastifyApplication;
  let key: string;
  let idempotencyKey: string;

  const post = async (
    url: string,
    payload: object,
    { by = key, more = {}, withKey = idempotencyKey } = {},
  ) => {
    const headers = { authorization: `Bearer ${by}`, 'idempotency-key': withKey, ...more };
    const answer = await app.inject({ method: 'POST', url, headers, payload });
    const { 'tenantry-position': position, location, etag } = answer.headers;
    return { status: answer.statusCode, body: answer.json(), place: { position, location, etag }, answer };
  };
  const users = async (query = '', by = key) => {
    const answer = await app.inject({ url: `/v1/users${query}`, headers: { authorization: `Bearer ${by}` } });
    return answer.json() as { data: { id: string }[]; total: number };
  };
  const newPlatform = async (withKey = newId()) => {
    const { body } = await post('/v1/platforms', { name: 'Acme' }, { by: settings.rootKey, withKey });
    return body.api_key.raw_key as string;
  };
  /** The effect is there and its answer is lost: as a crash between the two leaves it. */
  const losingTheAnswer = async (request: () => ReturnType<typeof post>) => {
    const database = app.get<ReadDatabase>(DURABLE_DATABASE);
    const run = database.run.bind(database);
    const lost = jest.spyOn(database, 'run');
    lost.mockImplementationOnce(run);
    lost.mockRejectedValueOnce(unavailable('lost'));
    const { status } = await request();
    lost.mockRestore();
    expect(status).toBe(503);
  };

  beforeAll(async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'tenantry-idempotency-'));
    settings = loadSettings({ TENANTRY_DATA_DIR: dataDir, LOG_LEVEL: 'silent' });
    class TestModule {}
    const imports = [PlatformModule.forRoot(settings, clock), TenantUsersModule];
    app = await createApp({ module: TestModule, imports }, [tenantUsersConsumer]);
    await startFollowing(app);
    key = await newPlatform();
  });
  afterAll(async () => {
    await app.close();
    await rm(settings.dataDir, { recursive: true });
  });
  beforeEach(() => {
    idempotencyKey = newId();
  });

  it('given 200 of one request at once, then one user and 200 identical answers', async () => {
    const { total } = await users();
    const answers = await Promise.all(
      Array.from({ length: 200 }, () => post('/v1/users', { label: 'Ada', metadata: { plan: 'pro' } })),
    );
    expect((await users()).total).toBe(total + 1);
    expect(new Set(answers.map(({ answer, status }) => `${status} ${answer.payload}`)).size).toBe(1);
    expect(new Set(answers.map(({ place }) => JSON.stringify(place))).size).toBe(1);
    expect(answers[0]).toMatchObject({ status: 201, place: { etag: '"0"', position: expect.any(String) } });
    const replayed = answers.filter(({ answer }) => answer.headers['idempotency-replayed'] === 'true');
    expect(replayed).toHaveLength(199);
  });

  it('given an answered request, when the user has changed since, then the first answer is given', async () => {
    const first = await post('/v1/users', { label: 'Before' });
    await app.inject({
      method: 'PATCH',
      url: `/v1/users/${first.body.id}`,
      headers: { authorization: `Bearer ${key}` },
      payload: { label: 'After' },
    });
    expect((await post('/v1/users', { label: 'Before' })).answer.payload).toBe(first.answer.payload);
  });

  it.each([
    ['another body', '/v1/users', { label: 'Bob' }],
    ['another route', '/v1/tenants', { label: 'Ada' }],
    ['another query', '/v1/users?if_exists=return', { label: 'Ada' }],
  ])('given %s under the same key, then 409 idempotency_conflict', async (_, url, body) => {
    await post('/v1/users', { label: 'Ada' });
    expect(await post(url, body)).toMatchObject({
      status: 409,
      body: { code: 'idempotency_conflict', errors: [{ field: 'Idempotency-Key' }] },
    });
  });

  it('given another request under the same key while the first is under way, then 409', async () => {
    const [first, other] = await Promise.all([
      post('/v1/users', { label: 'A' }),
      post('/v1/users', { label: 'B' }),
    ]);
    expect([first.status, other.status]).toEqual([201, 409]);
  });

  it('given fields in another order, then it is the same request', async () => {
    const first = await post('/v1/users', { label: 'Ada', metadata: { a: 1, b: { c: 2, d: 3 } } });
    const again = await post('/v1/users', { metadata: { b: { d: 3, c: 2 }, a: 1 }, label: 'Ada' });
    expect(again.answer.payload).toBe(first.answer.payload);
  });

  it('given the same key of another platform or in another tenant, then it is another request', async () => {
    const first = await post('/v1/users', { label: 'Ada' });
    const { body: tenant } = await post('/v1/tenants', { name: 'Globex' }, { withKey: newId() });
    const elsewhere = await post('/v1/users', { label: 'Eve' }, { more: { 'x-tenant-id': tenant.id } });
    const stranger = await post('/v1/users', { label: 'Eve' }, { by: await newPlatform() });
    expect([first.status, elsewhere.status, stranger.status]).toEqual([201, 201, 201]);
    expect(new Set([first, elsewhere, stranger].map(({ body }) => body.id)).size).toBe(3);
  });

  it('given a refusal, then it is given again, whatever has changed since', async () => {
    const external_id = newId();
    const { body: other } = await post('/v1/users', { external_id }, { withKey: newId() });
    const refused = await post('/v1/users', { external_id, label: 'Second' });
    expect(refused).toMatchObject({ status: 409, body: { existing_id: other.id } });
    await app.inject({
      method: 'DELETE',
      url: `/v1/users/${other.id}`,
      headers: { authorization: `Bearer ${key}` },
    });
    const again = await post('/v1/users', { external_id, label: 'Second' });
    const { request_id: _, ...first } = refused.body;
    expect(again.body).toMatchObject(first);
  });

  it('given a request that was refused as invalid, then the mended one is taken under its key', async () => {
    expect((await post('/v1/users', { email: 'nobody' })).status).toBe(400);
    expect((await post('/v1/users', { email: 'ada@example.com' })).status).toBe(201);
  });

  it.each(['', 'two words', 'x'.repeat(256)])('given the key %p, then 400 by its name', async (withKey) => {
    expect(await post('/v1/users', {}, { withKey })).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'Idempotency-Key' }] },
    });
  });

  it('given an effect whose answer was lost, when repeated, then nothing is done twice', async () => {
    const { total } = await users();
    await losingTheAnswer(() => post('/v1/users', { label: 'Ada' }));
    expect((await users()).total).toBe(total + 1);
    const again = await post('/v1/users', { label: 'Ada' });
    expect(again.status).toBe(201);
    expect((await users()).total).toBe(total + 1);
    expect((await users()).data[0]?.id).toBe(again.body.id);
    expect((await post('/v1/users', { label: 'Ada' })).answer.payload).toBe(again.answer.payload);
  });

  it('given a create that claimed its identifiers and got no further, when repeated, then it is not in its own way', async () => {
    const body = { external_id: newId(), username: newId() };
    const registry = app.get(IdentifierRegistry);
    const { tenant_id: tenantId } = (await users()).data[0] as unknown as { tenant_id: string };
    let holder = '';
    // As a crash between the commits of claims and log leaves it.
    jest.spyOn(SqliteEventStore.prototype, 'append').mockImplementationOnce(async (stream) => {
      holder = streamId(stream);
      const identifiers = [
        { kind: 'user.external_id' as const, scope: tenantId, value: body.external_id },
        { kind: 'user.username' as const, scope: tenantId, value: body.username },
      ];
      await registry.claim(identifiers, { holder, revision: 0 });
      throw unavailable('away');
    });
    expect((await post('/v1/users', body)).status).toBe(503);
    const again = await post('/v1/users', body);
    expect([again.status, again.body.id]).toEqual([201, holder]);
    jest.restoreAllMocks();
    const refused = await post('/v1/users', body, { withKey: newId() });
    expect(refused.body).toMatchObject({ existing_id: again.body.id });
  });

  it('given a create with identifiers whose answer was lost, when repeated later, then it is answered as it was made', async () => {
    const body = { external_id: newId(), username: newId() };
    const made = clock.now().toISOString();
    await losingTheAnswer(() => post('/v1/users', body));
    clock.time += 60_000;
    const again = await post('/v1/users', body);
    expect(again).toMatchObject({ status: 201, body: { created_at: made, updated_at: made, revision: 0 } });
    expect((await users(`?external_id=${body.external_id}`)).data.map(({ id }) => id)).toEqual([
      again.body.id,
    ]);
  });

  it('given a platform whose answer was lost, when repeated, then the key that was made works', async () => {
    const platforms = async () => {
      const headers = { authorization: `Bearer ${settings.rootKey}` };
      return (await app.inject({ url: '/v1/platforms', headers })).json().total as number;
    };
    const before = await platforms();
    await losingTheAnswer(() => post('/v1/platforms', { name: 'Initech' }, { by: settings.rootKey }));
    const again = await post('/v1/platforms', { name: 'Initech' }, { by: settings.rootKey });
    expect(again.status).toBe(201);
    expect(await platforms()).toBe(before + 1);
    expect((await users('', again.body.api_key.raw_key)).total).toBe(1);
  });

  it('given an answered request, when a day has passed, then its key is free', async () => {
    const first = await post('/v1/users', { label: 'Ada' });
    clock.time += DAY_MS - 1;
    expect((await post('/v1/users', { label: 'Ada' })).body.id).toBe(first.body.id);
    clock.time += 1;
    const later = await post('/v1/users', { label: 'Other' });
    expect(later.status).toBe(201);
    expect(later.body.id).not.toBe(first.body.id);
  });

  it('given a user who was deleted, then the answer that told of them is gone', async () => {
    const { body } = await post('/v1/users', { label: 'Ada' });
    const url = `/v1/users/${body.id}`;
    const headers = { authorization: `Bearer ${key}` };
    await app.inject({ method: 'DELETE', url, headers });
    expect((await post('/v1/users', { label: 'Ada' })).status).toBe(201);
    const context = systemContext({ id: newId(), correlationId: newId() }, ANY_SCOPE, 'test');
    for (const participant of PARTICIPANTS) {
      await app.get(UserDeletionProcess).confirm(body.id, { participant, removed: {} }, context);
    }
    expect(await post('/v1/users', { label: 'Ada' })).toMatchObject({
      status: 404,
      body: { code: 'not_found' },
    });
    expect((await post('/v1/users', { label: 'Eve' })).status).toBe(409);
  });

  it('given all of that, then no answer, raw key or Idempotency-Key is in any file in clear', async () => {
    const { body } = await post('/v1/platforms', { name: 'Canary' }, { by: settings.rootKey });
    await post('/v1/users', { label: 'canary-label-7f3a' });
    await sleep(50);
    const files = filesUnder(settings.dataDir).filter((file) => file.includes('.db'));
    expect(files).toContain(join(settings.dataDir, 'keys.db'));
    for (const file of files) {
      const bytes = await readFile(file);
      for (const secret of [body.api_key.raw_key, 'canary-label-7f3a', idempotencyKey]) {
        expect([file, bytes.includes(secret)]).toEqual([file, false]);
      }
    }
  });
});
