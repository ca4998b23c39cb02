import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Global, Module } from '@nestjs/common';
import { Ctx, EventPattern } from '@nestjs/microservices';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import fc from 'fast-check';
import { MESSAGE_TYPES, type Message, type ParticipantConfirmed, TOPICS, type UserDeleted } from '#contracts';
import { type EventStore } from '#event-store';
import { newId } from '#kernel';
import type { MessageBus, MessageContext } from '#message-bus';
import {
  AccountKitDirectory,
  createApiKey,
  createApp,
  EVENT_STORE,
  hashApiKey,
  KEY_STORE,
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
import { ConnectionsModule, connectionsConsumer } from './connections.module.js';
import type { VaultTables } from './read-models/tables.js';

const PLATFORM = newId();
const TENANT = newId();
const OTHER_TENANT = newId();
const DEFAULT_USER = newId();
const COLLECTOR = Symbol('collector');

const tenants = new Map<string, string>([[DEFAULT_USER, TENANT]]);
const accesses = new Map<string, PlatformAccess>();
const confirmed: Message<ParticipantConfirmed>[] = [];

function makeKey(tenantId: string, scopes: PlatformAccess['scopes']): string {
  const key = createApiKey('plat');
  accesses.set(hashApiKey(key), {
    keyId: newId(),
    platformId: PLATFORM,
    scopes,
    expiresAt: null,
    onlyTenantId: null,
    tenant: { id: tenantId, defaultUserId: DEFAULT_USER },
    defaultAccountKitId: newId(),
  });
  return key;
}

const KEY = makeKey(TENANT, ['vault:read', 'vault:write']);
const WRITE_KEY = makeKey(TENANT, ['vault:write']);
const READ_KEY = makeKey(TENANT, ['vault:read']);
const OTHER_KEY = makeKey(OTHER_TENANT, ['admin']);

class KnownKeys extends PlatformKeys {
  async resolve(keyHash: string): Promise<PlatformAccess | 'unknown'> {
    return accesses.get(keyHash) ?? 'unknown';
  }
}

class KnownUsers extends UserDirectory {
  async find(tenantId: string, userId: string): Promise<KnownUser | undefined> {
    return tenants.get(userId) === tenantId
      ? {
          status: 'active',
          accountKitId: newId(),
          createdAt: '2026-01-01T00:00:00.000Z',
          openingBudget: null,
        }
      : undefined;
  }
}

@Controller()
class Collector {
  @EventPattern<string>(MESSAGE_TYPES.participantConfirmed, COLLECTOR)
  collect(@Ctx() { message }: MessageContext): void {
    confirmed.push(message as Message<ParticipantConfirmed>);
  }
}

@Global()
@Module({
  controllers: [Collector],
  providers: [
    { provide: PlatformKeys, useClass: KnownKeys },
    { provide: UserDirectory, useClass: KnownUsers },
    { provide: AccountKitDirectory, useValue: { find: async () => undefined } },
  ],
  exports: [PlatformKeys, UserDirectory, AccountKitDirectory],
})
class Surroundings {}

let folder: string;
let app: NestFastifyApplication;
let user: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tenantry-connections-'));
  const settings = loadSettings({ TENANTRY_DATA_DIR: folder, LOG_LEVEL: 'silent' });
  const collector = { group: 'collector', topics: [TOPICS.cascade], transportId: COLLECTOR };
  app = await createApp(
    { module: Surroundings, imports: [PlatformModule.forRoot(settings), ConnectionsModule] },
    [connectionsConsumer, collector],
  );
  await startFollowing(app);
});

afterAll(async () => {
  await app?.close();
  await rm(folder, { recursive: true, force: true });
});

beforeEach(() => {
  user = newId();
  tenants.set(user, TENANT);
});

async function call(
  method: 'GET' | 'PUT' | 'DELETE',
  path: string,
  options: { body?: object; key?: string } = {},
) {
  const { body, key = KEY } = options;
  const answer = await app.inject({
    method,
    url: `/v1/users/${path}`,
    headers: { authorization: `Bearer ${key}` },
    ...(body && { payload: body }),
  });
  const { request_id: _, ...json } = answer.payload ? answer.json() : {};
  return { status: answer.statusCode, json, headers: answer.headers };
}

const put = (name: string, value: unknown) => call('PUT', `${user}/vault/${name}`, { body: { value } });
const get = (name: string) => call('GET', `${user}/vault/${name}`);
const list = (query = '') => call('GET', `${user}/vault${query}`);

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let waitedMs = 0; !holds(); waitedMs += 5) {
    if (waitedMs > 20_000) throw new Error(`waited in vain until ${what}`);
    await sleep(5);
  }
}

async function deleteUser(userId: string): Promise<void> {
  const message: Message<UserDeleted> = {
    id: newId(),
    type: MESSAGE_TYPES.userDeleted,
    source: '/tenantry/tenant-users',
    subject: userId,
    time: new Date().toISOString(),
    correlationId: newId(),
    causationId: newId(),
    data: { platform_id: PLATFORM, tenant_id: TENANT, user_id: userId, revision: 1 },
  };
  const before = confirmed.length;
  await app.get<MessageBus>(MESSAGE_BUS).publish(TOPICS.lifecycle, [message]);
  await until('both participants have confirmed', () => confirmed.length === before + 2);
  expect(await app.get(ReadModels).catchUp(10_000)).toBe(true);
}

const confirmationsOf = (userId: string) => confirmed.filter(({ subject }) => subject === userId);

const removedOf = (userId: string) =>
  Object.fromEntries(confirmationsOf(userId).map(({ data }) => [data.participant, data.removed]));

describe('the vault over HTTP', () => {
  it('given a put secret, then it is read, listed without its value, replaced and deleted', async () => {
    const created = await put('bank', 'first');
    expect(created).toMatchObject({ status: 204, json: {} });
    expect(created.headers['tenantry-position']).toMatch(/^\d+$/);
    const { json: first } = await get('bank');
    expect(first).toEqual({ name: 'bank', value: 'first', updated_at: expect.any(String) });
    expect((await put('bank', 'second')).status).toBe(204);
    const read = await get('bank');
    expect(read.json).toMatchObject({ name: 'bank', value: 'second' });
    expect(read.headers['cache-control']).toBe('no-store');
    expect((await list()).json).toEqual({
      data: [{ name: 'bank', version: 2, created_at: first.updated_at, updated_at: read.json.updated_at }],
      next_cursor: null,
      total: 1,
    });
    expect((await call('DELETE', `${user}/vault/bank`)).status).toBe(204);
    const missing = { status: 404, json: { code: 'not_found', detail: 'secret not found' } };
    expect(await get('bank')).toMatchObject(missing);
    expect(await call('DELETE', `${user}/vault/bank`)).toMatchObject(missing);
    expect((await list()).json).toEqual({ data: [], next_cursor: null, total: 0 });
  });

  it('given several secrets, when one is replaced and one deleted, then the others stay as they are', async () => {
    for (const name of ['a', 'b', 'c']) await put(name, `first ${name}`);
    await put('b', 'second b');
    await call('DELETE', `${user}/vault/c`);
    const { json } = await list();
    expect(json).toMatchObject({
      data: [
        { name: 'b', version: 2 },
        { name: 'a', version: 1 },
      ],
      total: 2,
    });
    expect((await get('a')).json.value).toBe('first a');
    expect((await get('b')).json.value).toBe('second b');
  });

  it('given the default user, then `default` names its vault', async () => {
    expect((await call('PUT', 'default/vault/a', { body: { value: 'x' } })).status).toBe(204);
    expect((await call('GET', `${DEFAULT_USER}/vault/a`)).json).toMatchObject({ value: 'x' });
  });

  it.each([
    ['NUL', 'a\0b\0'],
    ['lone surrogates', '\ud800a\udc00\udfff\ud83d'],
    ['a pair of surrogates', '😀'],
    ['line and paragraph separators, a BOM and DEL', '\u2028\u2029\ufeff\u007f\r\n'],
    ['U+FFFD and non-characters', '\ufffd\ufffe\uffff'],
    ['decomposed letters', 'e\u0301é'],
    ['white space alone', ' \t\n'],
    ['64 KiB in one-byte characters', 'x'.repeat(65_536)],
    ['64 KiB in three-byte characters', `${'€'.repeat(21_845)}x`],
    ['40,000 NULs', '\0'.repeat(40_000)],
  ])('given a value of %s, then it comes back exactly', async (_, value) => {
    expect((await put('odd', value)).status).toBe(204);
    expect((await get('odd')).json.value === value).toBe(true);
  });

  it('given any text, then it comes back exactly', async () => {
    const text = fc.string({ minLength: 1, maxLength: 200, unit: 'binary' });
    const units = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 1, maxLength: 50 });
    const value = fc.oneof(
      text,
      units.map((codes) => String.fromCharCode(...codes)),
    );
    await fc.assert(
      fc.asyncProperty(value, async (it) => {
        await put('any', it);
        expect((await get('any')).json.value).toBe(it);
      }),
      { numRuns: 40 },
    );
  });

  it.each<[string, unknown, number, string]>([
    ['no value', {}, 400, 'value'],
    ['null', { value: null }, 400, 'value'],
    ['a number', { value: 5 }, 400, 'value'],
    ['a list', { value: ['x'] }, 400, 'value'],
    ['nothing in it', { value: '' }, 400, 'value'],
    ['64 KiB and one byte', { value: 'x'.repeat(65_537) }, 413, 'value'],
    ['64 KiB and one byte in three-byte characters', { value: '€'.repeat(21_846) }, 413, 'value'],
    ['more than the body may have', { value: 'x'.repeat(262_144) }, 413, 'body'],
    ['a field that is not known', { value: 'x', name: 'y' }, 400, 'name'],
  ])('given %s, then it is refused by its field', async (_, body, status, field) => {
    const answer = await call('PUT', `${user}/vault/a`, { body: body as object });
    const code = status === 413 ? 'payload_too_large' : 'invalid_input';
    expect(answer).toMatchObject({ status, json: { code, errors: [{ field }] } });
    expect((await list()).json.total).toBe(0);
  });

  it('given a value that is no text, then the answer says so', async () => {
    expect((await put('a', 5)).json.errors).toEqual([{ field: 'value', message: 'must be a string' }]);
  });

  it('given a secret that is read, then who read which version is on record before it is answered', async () => {
    await put('bank', 'first');
    await put('bank', 'second');
    const store = app.get<EventStore>(EVENT_STORE);
    const [made] = await store.read(`vault-${user}`);
    expect((await get('bank')).status).toBe(200);
    expect((await get('other')).status).toBe(404);
    expect((await list()).status).toBe(200);
    const recorded = (await store.read(`vault-${user}`)).slice(2);
    expect(recorded).toMatchObject([
      {
        type: 'vault.secret-read.v1',
        data: { name_index: made?.data.name_index, version: 2 },
        metadata: { actor: { type: 'platform_key', id: accesses.get(hashApiKey(KEY))?.keyId } },
      },
    ]);
    expect(Object.keys(recorded[0]?.data ?? {})).not.toContain('personal');
  });

  it.each(['a%20b', '%2F', '%C3%A9', 'a%00'])('given the name %s, then it is refused', async (name) => {
    const refusal = { status: 400, json: { code: 'invalid_input', errors: [{ field: 'name' }] } };
    expect(await put(name, 'x')).toMatchObject(refusal);
    expect(await get(name)).toMatchObject(refusal);
    expect(await call('DELETE', `${user}/vault/${name}`)).toMatchObject(refusal);
  });

  it.each(['__proto__', 'constructor', 'toString', '...'])(
    'given the name %s, then it is a name as any other',
    async (name) => {
      expect((await get(name)).status).toBe(404);
      expect((await put(name, 'x')).status).toBe(204);
      expect((await get(name)).json).toMatchObject({ name, value: 'x' });
    },
  );

  it('given a query on DELETE, then it is refused and nothing is deleted', async () => {
    await put('a', 'x');
    expect((await call('DELETE', `${user}/vault/a?dry_run=true`)).status).toBe(400);
    expect((await get('a')).status).toBe(200);
  });

  it('given many secrets, then pages are newest first and steady while one is replaced', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) await put(name, name);
    const names = ({ json }: Awaited<ReturnType<typeof list>>) =>
      json.data.map((it: { name: string }) => it.name);
    const first = await list('?limit=2');
    expect(names(first)).toEqual(['e', 'd']);
    await put('a', 'again');
    await put('f', 'f');
    const second = await list(`?limit=2&cursor=${first.json.next_cursor}`);
    expect([names(second), second.json.total]).toEqual([['c', 'b'], 6]);
    const third = await list(`?limit=2&cursor=${second.json.next_cursor}`);
    expect([names(third), third.json.next_cursor]).toEqual([['a'], null]);
    expect((await list('?cursor=x')).json).toMatchObject({ errors: [{ field: 'cursor' }] });
  });

  it('given a user of another tenant, then every route answers as for one that does not exist', async () => {
    await put('a', 'x');
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '/a'],
      ['PUT', '/a'],
      ['DELETE', '/a'],
    ] as const) {
      const options = { key: OTHER_KEY, ...(method === 'PUT' && { body: { value: 'y' } }) };
      const foreign = await call(method, `${user}/vault${path}`, options);
      const missing = await call(method, `${newId()}/vault${path}`, options);
      expect(foreign).toMatchObject({ status: 404, json: { detail: 'user not found' } });
      expect(missing).toMatchObject({ status: foreign.status, json: foreign.json });
    }
    expect((await get('a')).json).toMatchObject({ value: 'x' });
  });

  it('given a key without the scope, then it is refused', async () => {
    const body = { value: 'x' };
    const lacks = (required_scope: string) => ({ status: 403, json: { code: 'forbidden', required_scope } });
    expect((await call('PUT', `${user}/vault/a`, { key: WRITE_KEY, body })).status).toBe(204);
    expect(await call('GET', `${user}/vault/a`, { key: WRITE_KEY })).toMatchObject(lacks('vault:read'));
    expect(await call('GET', `${user}/vault`, { key: WRITE_KEY })).toMatchObject(lacks('vault:read'));
    expect(await call('PUT', `${user}/vault/a`, { key: READ_KEY, body })).toMatchObject(lacks('vault:write'));
    expect(await call('DELETE', `${user}/vault/a`, { key: READ_KEY })).toMatchObject(lacks('vault:write'));
  });

  it('given 20 writers of one secret at once, then each is a version and the last one stands', async () => {
    const values = Array.from({ length: 20 }, (_, index) => `value ${index}`);
    const answers = await Promise.all(values.map((value) => put('a', value)));
    expect(answers.map(({ status }) => status)).toEqual(values.map(() => 204));
    const last = answers
      .map(({ headers }, index) => ({ value: values[index], position: Number(headers['tenantry-position']) }))
      .sort((one, other) => other.position - one.position)[0];
    expect((await list()).json).toMatchObject({ data: [{ version: 20 }], total: 1 });
    expect((await get('a')).json.value).toBe(last?.value);
  });
});

describe('the end of a user', () => {
  const keyOf = async (userId: string): Promise<string> => {
    const [event] = await app.get<EventStore>(EVENT_STORE).read(`vault-${userId}`);
    return String(event?.data.subject_key);
  };
  const keys = () => app.get<SubjectKeyStore>(KEY_STORE);

  it('given secrets, then both participants confirm, the key is gone and so is every row', async () => {
    for (const name of ['a', 'b', 'c']) await put(name, name);
    await call('DELETE', `${user}/vault/c`);
    expect(await keys().find(await keyOf(user))).toBeDefined();
    await deleteUser(user);
    expect(removedOf(user)).toEqual({ vault: { secrets: 2 }, connections: { connections: 0 } });
    expect(await keys().find(await keyOf(user))).toBeUndefined();
    // The directory here still knows the user, as it may for a moment.
    expect((await list()).json).toMatchObject({ data: [], total: 0 });
    expect(await put('a', 'x')).toMatchObject({ status: 404, json: { detail: 'user not found' } });
    expect(await call('DELETE', `${user}/vault/a`)).toMatchObject({ status: 404 });
  });

  it('given the message again, then the same is confirmed again and nothing is appended', async () => {
    await put('a', 'x');
    await deleteUser(user);
    const store = app.get<EventStore>(EVENT_STORE);
    const head = await store.head();
    await deleteUser(user);
    expect(await store.head()).toBe(head);
    const again = Map.groupBy(confirmationsOf(user), ({ id }) => id);
    expect([...again.values()].map((messages) => messages.map(({ data }) => data))).toEqual([
      [expect.anything(), expect.anything()],
      [expect.anything(), expect.anything()],
    ]);
    expect(removedOf(user)).toEqual({ vault: { secrets: 1 }, connections: { connections: 0 } });
  });

  it('given a user who never had a secret, then none can be put any more', async () => {
    await deleteUser(user);
    expect(removedOf(user)).toEqual({ vault: { secrets: 0 }, connections: { connections: 0 } });
    expect((await put('a', 'x')).status).toBe(404);
  });

  it('given writers while the user is deleted, then each secret is counted or was refused', async () => {
    await put('first', 'x');
    const writing = Array.from({ length: 30 }, (_, index) => put(`name-${index}`, 'x'));
    await deleteUser(user);
    const statuses = (await Promise.all(writing)).map(({ status }) => status);
    const taken = statuses.filter((status) => status === 204).length;
    expect(statuses.filter((status) => status === 404)).toHaveLength(30 - taken);
    expect(removedOf(user)).toMatchObject({ vault: { secrets: taken + 1 } });
    await app.get(ReadModels).catchUp(10_000);
    expect((await list()).json.total).toBe(0);
  });
});

describe('the files of the service', () => {
  it('given secrets, then none of them holds a name or a value', async () => {
    await put('alices_private_bank', 'correct horse battery staple');
    for (const name of filesUnder(folder)) {
      const bytes = await readFile(name);
      expect([name, bytes.includes('alices_private_bank'), bytes.includes('battery staple')]).toEqual([
        name,
        false,
        false,
      ]);
    }
  });

  it('given one name of two users, then the log holds two ids and sealed texts for it', async () => {
    const other = newId();
    tenants.set(other, TENANT);
    for (const owner of [user, other]) await call('PUT', `${owner}/vault/a`, { body: { value: 'x' } });
    const store = app.get<EventStore>(EVENT_STORE);
    const [one, two] = await Promise.all(
      [user, other].map(async (it) => (await store.read(`vault-${it}`))[0]?.data),
    );
    expect(one).toMatchObject({ personal: expect.stringMatching(/^v2\./), version: 1 });
    expect(one?.name_index).toMatch(/^[\da-f-]{36}$/);
    expect(one?.name_index).not.toBe(two?.name_index);
    expect(one?.subject_key).not.toBe(two?.subject_key);
  });

  it('given a name that is used again, then nothing in the log tells that it is the same one', async () => {
    await put('a', 'x');
    await call('DELETE', `${user}/vault/a`);
    await put('a', 'y');
    const events = await app.get<EventStore>(EVENT_STORE).read(`vault-${user}`);
    const [first, deleted, second] = events.map(({ data }) => data.name_index);
    expect([deleted, second === first]).toEqual([first, false]);
    expect((await get('a')).json.value).toBe('y');
  });

  it('given all of the above, when the read model is built anew, then it is the same', async () => {
    await put('a', 'x');
    const readModels = app.get(ReadModels);
    await readModels.catchUp(10_000);
    await readModels.rebuild('secrets', true);
    await until('the rebuild has ended', () => readModels.rebuildStatus('secrets').state !== 'running');
    expect(readModels.rebuildStatus('secrets')).toMatchObject({ state: 'completed', differences: 0 });
    expect((await get('a')).json.value).toBe('x');
  });

  it('given the sealed texts of two secrets swapped in the table, then neither is answered for the other', async () => {
    await put('public_note', 'hello');
    await put('bank', 's3cr3t');
    await app.get(ReadModels).catchUp(10_000);
    const database = app.get<ReadDatabase>(READ_DATABASE).of('secrets');
    const tables = database.reader<VaultTables>();
    const mine = tables.selectFrom('secrets').selectAll().where('user_id', '=', user);
    const [one, two] = await mine.execute();
    const rows = tables.updateTable('secrets').where('user_id', '=', user);
    await database.run([
      rows.set({ sealed: one!.sealed }).where('name_index', '=', two!.name_index),
      rows.set({ sealed: two!.sealed }).where('name_index', '=', one!.name_index),
    ]);
    for (const name of ['public_note', 'bank']) expect((await get(name)).status).toBe(500);
  });
});
