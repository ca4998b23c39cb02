import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Global, Module } from '@nestjs/common';
import { Ctx, EventPattern } from '@nestjs/microservices';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { MESSAGE_TYPES, type Message, type ParticipantConfirmed, TOPICS, validateMessage } from '#contracts';
import { Aggregates } from '#event-store';
import { newId, systemContext } from '#kernel';
import type { MessageBus, MessageContext } from '#message-bus';
import {
  AccountKitDirectory,
  createApiKey,
  createApp,
  hashApiKey,
  KEY_STORE,
  type KitTerms,
  type KnownUser,
  loadSettings,
  MESSAGE_BUS,
  type PlatformAccess,
  PlatformKeys,
  PlatformModule,
  READ_DATABASE,
  ReadModels,
  startFollowing,
  UserDirectory,
} from '#platform';
import type { SubjectKeyStore } from '#privacy';
import type { ReadDatabase } from '#projections';
import { filesUnder } from '#testing';
import { keyring } from './domain/keyring.decide.js';
import { KeysModule, keysConsumer } from './index.js';
import type { KeyTables } from './read-models/tables.js';

const clock = { time: Date.parse('2026-01-15T10:00:00Z'), now: () => new Date(clock.time) };

/** What the other services would know. */
const platforms = new Map<string, PlatformAccess>();
const users = new Map<string, KnownUser>();
const kits = new Map<string, KitTerms>();
const confirmations: Message<ParticipantConfirmed>[] = [];
let confirmation = Promise.withResolvers<void>();

const TEST = Symbol('test');

class KnownUsers extends UserDirectory {
  async find(tenantId: string, userId: string): Promise<KnownUser | undefined> {
    return users.get(`${tenantId}/${userId}`);
  }
}

@Controller()
class ConfirmationsController {
  @EventPattern<string>(MESSAGE_TYPES.participantConfirmed, TEST)
  onConfirmed(@Ctx() { message }: MessageContext): void {
    confirmations.push(message as Message<ParticipantConfirmed>);
    confirmation.resolve();
  }
}

@Global()
@Module({
  controllers: [ConfirmationsController],
  providers: [
    {
      provide: PlatformKeys,
      useValue: { resolve: async (keyHash: string) => platforms.get(keyHash) ?? 'unknown' },
    },
    { provide: UserDirectory, useClass: KnownUsers },
    {
      provide: AccountKitDirectory,
      useValue: { find: async (platformId: string, id: string) => kits.get(`${platformId}/${id}`) },
    },
  ],
  exports: [PlatformKeys, UserDirectory, AccountKitDirectory],
})
class NeighboursModule {}

const OPEN_KIT: KitTerms = { keyScopes: null, rateLimits: {}, allowedProviders: null };

function newKit(platformId: string, keyScopes: string[] | null = null): string {
  const kitId = newId();
  kits.set(`${platformId}/${kitId}`, { ...OPEN_KIT, keyScopes });
  return kitId;
}

function newPlatform(platformId = newId(), onlyTenant = false) {
  const key = createApiKey('plat');
  const tenantId = newId();
  platforms.set(hashApiKey(key), {
    keyId: newId(),
    platformId,
    scopes: ['keys:read', 'keys:write', 'keys:verify'],
    expiresAt: null,
    onlyTenantId: onlyTenant ? tenantId : null,
    tenant: { id: tenantId, defaultUserId: newId() },
    defaultAccountKitId: newId(),
  });
  return { key, tenantId, platformId };
}

function setUser(
  tenantId: string,
  userId: string,
  known: Partial<KnownUser> & Pick<KnownUser, 'accountKitId'>,
): void {
  const createdAt = '2026-01-01T00:00:00.000Z';
  users.set(`${tenantId}/${userId}`, { status: 'active', createdAt, openingBudget: null, ...known });
}

describe('the keys service', () => {
  const platform = newPlatform();
  const kitId = newKit(platform.platformId);
  let dataDir: string;
  let app: NestFastifyApplication;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'tenantry-keys-'));
    const settings = loadSettings({ TENANTRY_DATA_DIR: dataDir, LOG_LEVEL: 'silent' });
    class TestModule {}
    const imports = [PlatformModule.forRoot(settings, clock), NeighboursModule, KeysModule];
    const test = { group: 'test', topics: [TOPICS.cascade], transportId: TEST };
    app = await createApp({ module: TestModule, imports }, [keysConsumer, test]);
    await startFollowing(app);
  });
  afterAll(async () => {
    await app.close();
    await rm(dataDir, { recursive: true });
  });

  const newUser = (tenantId = platform.tenantId, accountKitId = kitId): string => {
    const userId = newId();
    setUser(tenantId, userId, { accountKitId });
    return userId;
  };
  const call = async (method: 'GET' | 'POST' | 'DELETE', url: string, body?: object, key = platform.key) => {
    const headers = { authorization: `Bearer ${key}` };
    const answer = await app.inject({ method, url, headers, ...(body && { payload: body }) });
    return { status: answer.statusCode, body: answer.body === '' ? undefined : answer.json(), answer };
  };
  const issue = async (userId: string, body: object = {}, by = platform.key) =>
    (await call('POST', `/v1/users/${userId}/keys`, body, by)).body;
  const verify = async (key: string, scope?: string, by = platform.key) => {
    const { status, body } = await call('POST', '/v1/keys/verify', { key, scope }, by);
    expect(status).toBe(200);
    return body;
  };
  const deletedMessage = (userId: string) => ({
    id: newId(),
    type: MESSAGE_TYPES.userDeleted,
    source: '/tenantry/tenant-users',
    subject: userId,
    time: clock.now().toISOString(),
    correlationId: newId(),
    causationId: newId(),
    data: {
      platform_id: platform.platformId,
      tenant_id: platform.tenantId,
      user_id: userId,
      revision: 1,
    },
  });
  /** Says that the user was deleted, and answers the service's confirmation. */
  const deleteUser = async (userId: string): Promise<Message<ParticipantConfirmed>> => {
    confirmation = Promise.withResolvers();
    await app.get<MessageBus>(MESSAGE_BUS).publish(TOPICS.lifecycle, [deletedMessage(userId)]);
    await confirmation.promise;
    const last = confirmations.at(-1);
    if (!last) throw new Error('nothing was confirmed');
    return last;
  };

  /** What a crash right after the closing leaves. */
  const closeOnly = async (userId: string) => {
    const { platformId, tenantId } = platform;
    const cause = { id: newId(), correlationId: newId() };
    const at = clock.now().toISOString();
    const command = { kind: 'close' as const, platform_id: platformId, tenant_id: tenantId, at };
    const context = systemContext(cause, { platformId, tenantId }, 'test');
    await app.get(Aggregates).execute(keyring, userId, command, { context });
  };
  const subjectKeyOf = async (userId: string): Promise<string> => {
    const { state } = await app.get(Aggregates).load(keyring, userId);
    return state.lifecycle === 'absent' ? '' : String(state.subject_key);
  };

  it('given a user, when a key is issued, then it is shown once, listed and valid', async () => {
    const userId = newUser();
    const { status, body, answer } = await call('POST', `/v1/users/${userId}/keys`, {
      name: 'Laptop',
      scopes: ['inference', 'docs:*'],
      expires_at: '2026-02-01T00:00:00Z',
    });
    expect(status).toBe(201);
    expect(answer.headers['tenantry-position']).toMatch(/^\d+$/);
    const { raw_key, ...shown } = body;
    expect(raw_key).toMatch(/^tnt_user_[0-9A-Za-z]{33}$/);
    expect(shown).toEqual({
      id: expect.any(String),
      user_id: userId,
      name: 'Laptop',
      key_prefix: raw_key.slice(0, 13),
      scopes: ['inference', 'docs:*'],
      status: 'active',
      created_at: '2026-01-15T10:00:00.000Z',
      expires_at: '2026-02-01T00:00:00.000Z',
      last_used_at: null,
    });
    const list = await call('GET', `/v1/users/${userId}/keys`);
    expect(list.body).toEqual({ data: [shown], next_cursor: null, total: 1 });
    const valid = { valid: true, key_id: shown.id, user_id: userId, tenant_id: platform.tenantId };
    expect(await verify(raw_key, 'inference')).toEqual({ ...valid, scopes: ['inference', 'docs:*'] });
  });

  it('given several keys, when they are listed, then newest first and page by page', async () => {
    const userId = newUser();
    const ids = [];
    for (let count = 0; count < 3; count++) ids.unshift((await issue(userId)).id);
    const first = (await call('GET', `/v1/users/${userId}/keys?limit=2`)).body;
    const second = (await call('GET', `/v1/users/${userId}/keys?limit=2&cursor=${first.next_cursor}`)).body;
    expect([...first.data, ...second.data].map(({ id }: { id: string }) => id)).toEqual(ids);
    expect([first.total, second.total, second.next_cursor]).toEqual([3, 3, null]);
    expect(first.data[0]).toMatchObject({ name: 'Key', scopes: [], expires_at: null });
  });

  it('given keys that do not hold, when verified, then the answer says why', async () => {
    const userId = newUser();
    const { raw_key: key } = await issue(userId, { scopes: ['inference'] });
    expect(await verify('')).toEqual({ valid: false, code: 'unknown' });
    expect(await verify(`${key}x\0`)).toEqual({ valid: false, code: 'unknown' });
    expect(await verify(createApiKey('user'))).toEqual({ valid: false, code: 'unknown' });
    expect(await verify(platform.key)).toEqual({ valid: false, code: 'unknown' });
    expect(await verify(key, 'other')).toEqual({ valid: false, code: 'insufficient_scope' });
    for (const status of ['suspended', 'inactive', 'archived'] as const) {
      setUser(platform.tenantId, userId, { accountKitId: kitId, status });
      expect(await verify(key)).toEqual({ valid: false, code: 'user_inactive' });
    }
    users.delete(`${platform.tenantId}/${userId}`);
    expect(await verify(key)).toEqual({ valid: false, code: 'revoked' });
  });

  it('given a key of another tenant, then it is valid, and of another platform unknown', async () => {
    const { raw_key: key } = await issue(newUser());
    expect(await verify(key, undefined, newPlatform(platform.platformId).key)).toMatchObject({ valid: true });
    expect(await verify(key, undefined, newPlatform().key)).toEqual({ valid: false, code: 'unknown' });
  });

  it('given a key of another tenant, when one that may know of its own tenant only asks, then unknown', async () => {
    const restricted = newPlatform(platform.platformId, true);
    const [{ raw_key: foreign }, { raw_key: own }] = await Promise.all([
      issue(newUser()),
      issue(newUser(restricted.tenantId), {}, restricted.key),
    ]);
    expect(await verify(foreign, undefined, restricted.key)).toEqual({ valid: false, code: 'unknown' });
    expect(await verify(own, undefined, restricted.key)).toMatchObject({ valid: true });
  });

  it('given a key with an expiry, when the time comes, then it is expired and stays so', async () => {
    const userId = newUser();
    const { id, raw_key: key } = await issue(userId, {
      expires_at: new Date(clock.time + 60_000).toISOString(),
    });
    clock.time += 59_999;
    expect(await verify(key)).toMatchObject({ valid: true });
    clock.time += 1;
    expect(await verify(key)).toEqual({ valid: false, code: 'expired' });
    expect((await call('DELETE', `/v1/users/${userId}/keys/${id}`)).status).toBe(204);
    expect((await call('GET', `/v1/users/${userId}/keys`)).body.data[0].status).toBe('expired');
  });

  it('given a key, when it is revoked, then at once and for ever, and again without effect', async () => {
    const userId = newUser();
    const { id, raw_key: key } = await issue(userId);
    for (const _ of ['once', 'again']) {
      const { status, body, answer } = await call('DELETE', `/v1/users/${userId}/keys/${id}`);
      expect([status, body]).toEqual([204, undefined]);
      expect(answer.headers['tenantry-position']).toMatch(/^\d+$/);
      expect(await verify(key)).toEqual({ valid: false, code: 'revoked' });
    }
    expect((await call('GET', `/v1/users/${userId}/keys`)).body.data[0].status).toBe('revoked');
  });

  it('given a key, when it is rotated, then a new one like it holds and the old one does not', async () => {
    const userId = newUser();
    const expires_at = new Date(clock.time + 3_600_000).toISOString();
    const { raw_key: oldKey, ...old } = await issue(userId, { name: 'Mine', scopes: ['a'], expires_at });
    const { status, body, answer } = await call('POST', `/v1/users/${userId}/keys/${old.id}/rotate`);
    expect(status).toBe(201);
    expect(answer.headers['tenantry-position']).toMatch(/^\d+$/);
    const { raw_key: newKey, ...shown } = body;
    expect(newKey).not.toBe(oldKey);
    expect(shown).toEqual({ ...old, id: shown.id, key_prefix: newKey.slice(0, 13) });
    expect(shown.id).not.toBe(old.id);
    expect(await verify(newKey, 'a')).toMatchObject({ valid: true, key_id: shown.id });
    expect(await verify(oldKey)).toEqual({ valid: false, code: 'revoked' });
    const ended = { ...old, status: 'revoked', expires_at: clock.now().toISOString() };
    const used = { ...shown, last_used_at: clock.now().toISOString() };
    expect((await call('GET', `/v1/users/${userId}/keys`)).body.data).toEqual([used, ended]);
  });

  it('given a grace, when a key is rotated, then the old one holds until its end, and only once', async () => {
    const userId = newUser();
    const { id, raw_key: oldKey } = await issue(userId);
    const path = `/v1/users/${userId}/keys`;
    const { body: next } = await call('POST', `${path}/${id}/rotate`, { grace_seconds: 600 });
    const again = await call('POST', `${path}/${id}/rotate`, { grace_seconds: 600 });
    expect([again.status, again.body.code]).toEqual([409, 'illegal_state']);
    const end = new Date(clock.time + 600_000).toISOString();
    expect((await call('GET', path)).body.data[1]).toMatchObject({ id, status: 'active', expires_at: end });
    clock.time += 599_999;
    for (const key of [oldKey, next.raw_key]) expect(await verify(key)).toMatchObject({ valid: true });
    clock.time += 1;
    expect(await verify(oldKey)).toEqual({ valid: false, code: 'revoked' });
    expect(await verify(next.raw_key)).toMatchObject({ valid: true, key_id: next.id });
    expect((await call('GET', path)).body.data[1]).toMatchObject({ status: 'revoked', expires_at: end });
  });

  it('given a key that has ended, when it is rotated, then 409, and another that is not there, 404', async () => {
    const userId = newUser();
    const [revoked, expired] = [
      await issue(userId),
      await issue(userId, { expires_at: new Date(clock.time + 1).toISOString() }),
    ];
    await call('DELETE', `/v1/users/${userId}/keys/${revoked.id}`);
    clock.time += 1;
    const refusal = async (id: string) => {
      const { status, body } = await call('POST', `/v1/users/${userId}/keys/${id}/rotate`, {});
      return [status, body.code];
    };
    for (const { id } of [revoked, expired]) expect(await refusal(id)).toEqual([409, 'illegal_state']);
    expect(await refusal(newId())).toEqual([404, 'not_found']);
    expect(await refusal((await issue(newUser())).id)).toEqual([404, 'not_found']);
  });

  it.each([-1, 1.5, '1', null, 2_592_001])(
    'given a grace of %p, then 400 names it',
    async (grace_seconds) => {
      const userId = newUser();
      const { id } = await issue(userId);
      const { status, body } = await call('POST', `/v1/users/${userId}/keys/${id}/rotate`, { grace_seconds });
      expect([status, body.errors[0].field]).toEqual([400, 'grace_seconds']);
    },
  );

  it('given a kit that names scopes, then keys have those or fewer, and what it takes back ends at once', async () => {
    const accountKitId = newKit(platform.platformId, ['a', 'b']);
    const userId = newUser(platform.tenantId, accountKitId);
    const refused = await call('POST', `/v1/users/${userId}/keys`, { scopes: ['a', 'c'] });
    expect([refused.status, refused.body.errors[0].field]).toEqual([400, 'scopes']);
    const [all, none, one] = [
      await issue(userId),
      await issue(userId, { scopes: [] }),
      await issue(userId, { scopes: ['b'] }),
    ];
    expect([all.scopes, none.scopes, one.scopes]).toEqual([['a', 'b'], [], ['b']]);
    kits.set(`${platform.platformId}/${accountKitId}`, { ...OPEN_KIT, keyScopes: ['a', 'c'] });
    expect(await verify(all.raw_key, 'a')).toMatchObject({ valid: true, scopes: ['a'] });
    expect(await verify(all.raw_key, 'b')).toEqual({ valid: false, code: 'insufficient_scope' });
    expect(await verify(all.raw_key, 'c')).toEqual({ valid: false, code: 'insufficient_scope' });
    expect(await verify(one.raw_key)).toMatchObject({ valid: true, scopes: [] });
    kits.delete(`${platform.platformId}/${accountKitId}`);
    expect(await verify(all.raw_key, 'a')).toEqual({ valid: false, code: 'insufficient_scope' });
  });

  it("given somebody else's key or user, then it answers as for one that does not exist", async () => {
    const mine = newUser();
    const { id } = await issue(newUser());
    const foreign = newUser(newPlatform().tenantId);
    const answerTo = async (method: 'GET' | 'POST' | 'DELETE', url: string) => {
      const { status, body } = await call(method, url, method === 'POST' ? {} : undefined);
      return { status, code: body.code, detail: body.detail };
    };
    const noKey = { status: 404, code: 'not_found', detail: 'key not found' };
    expect(await answerTo('DELETE', `/v1/users/${mine}/keys/${newId()}`)).toEqual(noKey);
    expect(await answerTo('DELETE', `/v1/users/${mine}/keys/${id}`)).toEqual(noKey);
    const noUser = { status: 404, code: 'not_found', detail: 'user not found' };
    for (const user of [newId(), foreign]) {
      expect(await answerTo('GET', `/v1/users/${user}/keys`)).toEqual(noUser);
      expect(await answerTo('POST', `/v1/users/${user}/keys`)).toEqual(noUser);
      expect(await answerTo('POST', `/v1/users/${user}/keys/${id}/rotate`)).toEqual(noUser);
      expect(await answerTo('DELETE', `/v1/users/${user}/keys/${id}`)).toEqual(noUser);
    }
  });

  it.each([
    ['name', { name: 7 }],
    ['name', { name: '' }],
    ['scopes', { scopes: 'inference' }],
    ['scopes', { scopes: ['-no'] }],
    ['scopes', { scopes: ['x'.repeat(65)] }],
    ['scopes', { scopes: Array.from({ length: 51 }, (_, index) => `s${index}`) }],
    ['expires_at', { expires_at: 'tomorrow' }],
    ['expires_at', { expires_at: '2020-01-01T00:00:00Z' }],
    ['raw_key', { raw_key: 'mine' }],
  ])('given a bad %s, when a key is issued, then 400 names it', async (field, body) => {
    const refusal = await call('POST', `/v1/users/${newUser()}/keys`, body);
    expect(refusal.status).toBe(400);
    expect(refusal.body).toMatchObject({ code: 'invalid_input', errors: [{ field }] });
  });

  it.each([
    ['key', {}],
    ['key', { key: 1 }],
    ['key', { key: 'x'.repeat(1_001) }],
    ['scope', { key: 'x', scope: null }],
    ['scope', { key: 'x', scope: 'a b' }],
  ])('given a bad %s, when a key is verified, then 400 names it', async (field, body) => {
    const refusal = await call('POST', '/v1/keys/verify', body);
    expect(refusal.status).toBe(400);
    expect(refusal.body).toMatchObject({ code: 'invalid_input', errors: [{ field }] });
  });

  it('given a deleted user, then the keys are gone for ever, and the confirmation can be had again', async () => {
    const userId = newUser();
    const keys = [await issue(userId, { name: 'One' }), await issue(userId), await issue(userId)];
    await call('DELETE', `/v1/users/${userId}/keys/${keys[0].id}`);
    const confirmed = await deleteUser(userId);
    expect(validateMessage(confirmed, { exact: true })).toEqual([]);
    expect(confirmed.data).toMatchObject({ user_id: userId, participant: 'keys', removed: { keys: 2 } });
    await app.get(ReadModels).catchUp(10_000);
    for (const { raw_key } of keys) expect(await verify(raw_key)).toEqual({ valid: false, code: 'revoked' });
    expect((await call('POST', `/v1/users/${userId}/keys`, {})).body.detail).toBe('user not found');
    expect((await call('DELETE', `/v1/users/${userId}/keys/${keys[0].id}`)).body.detail).toBe(
      'user not found',
    );
    expect(await deleteUser(userId)).toMatchObject({ id: confirmed.id, data: { removed: { keys: 2 } } });
    expect(await app.get<SubjectKeyStore>(KEY_STORE).find(await subjectKeyOf(userId))).toBeUndefined();
    const reader = app.get<ReadDatabase>(READ_DATABASE).of('key-registry').reader<KeyTables>();
    const rows = await reader.selectFrom('keys').selectAll().where('user_id', '=', userId).execute();
    const left = { personal: null, key_prefix: '', scopes: '[]', revoked: 1, expires_at: null };
    expect(rows).toMatchObject([left, left, left]);
  });

  it('given a crash after the closing, when the message comes again, then the rest is done', async () => {
    const userId = newUser();
    await issue(userId);
    await closeOnly(userId);
    const subjectKey = await subjectKeyOf(userId);
    const subjectKeys = app.get<SubjectKeyStore>(KEY_STORE);
    expect(await subjectKeys.find(subjectKey)).toBeDefined();
    expect((await deleteUser(userId)).data.removed).toEqual({ keys: 1 });
    expect(await subjectKeys.find(subjectKey)).toBeUndefined();
  });

  it('given a user without keys, when deleted, then none can be issued any more', async () => {
    const userId = newUser();
    expect((await deleteUser(userId)).data.removed).toEqual({ keys: 0 });
    expect((await call('POST', `/v1/users/${userId}/keys`, {})).status).toBe(404);
  });

  it('given all of that, then no file holds a name or a key, and a rebuild changes no row', async () => {
    const { raw_key } = await issue(newUser(), { name: 'Very private name' });
    for (const file of filesUnder(dataDir)) {
      const bytes = await readFile(file);
      expect([file, bytes.includes('Very private name'), bytes.includes(raw_key)]).toEqual([
        file,
        false,
        false,
      ]);
    }
    const readModels = app.get(ReadModels);
    await readModels.rebuild('key-registry', true);
    while (readModels.rebuildStatus('key-registry').state === 'running') await sleep(5);
    expect(readModels.rebuildStatus('key-registry')).toMatchObject({ state: 'completed', differences: 0 });
  });
});
