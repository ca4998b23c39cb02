import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { sql } from 'kysely';
import { Aggregates, type EventStore, type ExpectedRevision } from '#event-store';
import { newId, systemContext } from '#kernel';
import {
  createApp,
  EVENT_STORE,
  encodeCursor,
  KEY_STORE,
  loadSettings,
  PlatformModule,
  READ_DATABASE,
  ReadModels,
  type Settings,
  startFollowing,
} from '#platform';
import { PersonalDataCodec, Sealer, type SubjectKeyStore } from '#privacy';
import type { ReadDatabase } from '#projections';
import { filesUnder } from '#testing';
import { tenantUser } from './domain/tenant-user.decide.js';
import { TenantUsersModule, tenantUsersConsumer } from './index.js';

const clock = { time: Date.parse('2026-01-15T10:00:00Z'), now: () => new Date(clock.time) };

describe('the tenant-users service', () => {
  let settings: Settings;
  let app: NestFastifyApplication;
  let key: string;

  const newPlatform = async (): Promise<string> => {
    const { body } = await call('POST', '/v1/platforms', { name: 'Acme' }, settings.rootKey);
    return body.api_key.raw_key;
  };
  const call = async (method: 'GET' | 'POST' | 'PATCH' | 'DELETE', url: string, body?: object, by = key) => {
    const headers = { authorization: `Bearer ${by}` };
    const answer = await app.inject({ method, url, headers, ...(body && { payload: body }) });
    return { status: answer.statusCode, body: answer.json(), headers: answer.headers };
  };

  beforeAll(async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'tenantry-users-'));
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

  it('given a taken external_id, when created with if_exists=return, then 200 with the user as it is', async () => {
    const made = await call('POST', '/v1/users?if_exists=return', { external_id: 'twice', label: 'One' });
    expect(made.status).toBe(201);
    await call('PATCH', `/v1/users/${made.body.id}`, { role: 'owner' });
    const again = await call('POST', '/v1/users?if_exists=return', { external_id: 'twice', label: 'Two' });
    expect([again.status, again.headers.etag, again.headers.location]).toEqual([
      200,
      '"1"',
      `/v1/users/${made.body.id}`,
    ]);
    expect(again.headers['tenantry-position']).toMatch(/^\d+$/);
    expect(again.body).toEqual({ ...made.body, role: 'owner', revision: 1 });
    const refused = await call('POST', '/v1/users', { external_id: 'twice' });
    expect(refused.body).toMatchObject({ code: 'duplicate_record', existing_id: made.body.id });
  });

  it('given many creates at once with if_exists=return, then one makes the user and all answer it', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, () =>
        call('POST', '/v1/users?if_exists=return', { external_id: 'at-once' }),
      ),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(19);
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
  });

  it('given a deleted user or another platform, when created with if_exists=return, then a new one', async () => {
    const { body } = await call('POST', '/v1/users', { external_id: 'successor' });
    const other = await newPlatform();
    const url = '/v1/users?if_exists=return';
    expect((await call('POST', url, { external_id: 'successor' }, other)).status).toBe(201);
    await call('DELETE', `/v1/users/${body.id}`);
    const next = await call('POST', url, { external_id: 'successor' });
    expect(next.status).toBe(201);
    expect(next.body.id).not.toBe(body.id);
  });

  it('given an external_id, then lists the one user who has it, if all other filters hold too', async () => {
    const body = { external_id: 'asked', label: 'Ann Lee', email: 'ann@example.com' };
    const { id } = (await call('POST', '/v1/users', body)).body;
    const other = await newPlatform();
    await call('POST', '/v1/users', body, other);
    const list = async (query: string) => (await call('GET', `/v1/users?external_id=asked${query}`)).body;
    const none = { data: [], next_cursor: null, total: 0 };
    for (const also of ['', '&email=ANN@example.com', '&q=lee&status=active', '&limit=1&order=created_at']) {
      expect(await list(also)).toMatchObject({ data: [{ id, ...body }], next_cursor: null, total: 1 });
    }
    for (const also of ['&email=b@example.com', '&q=bob', '&status=suspended']) {
      expect(await list(also)).toEqual(none);
    }
    expect((await call('GET', '/v1/users?external_id=ASKED')).body).toEqual(none);
    await call('DELETE', `/v1/users/${id}`);
    expect(await list('')).toEqual(none);
    expect((await call('GET', '/v1/users?external_id=asked', undefined, other)).body.total).toBe(1);
  });

  it.each([
    ['if_exists', 'if_exists=ignore'],
    ['if_not', 'if_not=return'],
  ])('given a bad %s, when a user is created, then 400 names it', async (field, query) => {
    const refusal = await call('POST', `/v1/users?${query}`, {});
    expect(refusal.status).toBe(400);
    expect(refusal.body).toMatchObject({ code: 'invalid_input', errors: [{ field }] });
  });

  it.each([
    ['users:read', 200],
    ['audit:read', 200],
    ['users:write', 403],
  ])('given a key with %s alone, when it asks for a receipt, then %d', async (scope, status) => {
    const user = await call('POST', '/v1/users', {});
    await call('DELETE', `/v1/users/${user.body.id}`);
    const issued = await call('POST', '/v1/platform-keys', { name: 'Key', scopes: [scope] });
    const receipt = await call('GET', `/v1/users/${user.body.id}/deletion`, undefined, issued.body.raw_key);
    expect(receipt.status).toBe(status);
  });

  describe('lists', () => {
    let by: string;
    const ids: Record<string, string> = {};
    const USERS: Record<string, object> = {
      ann: {
        email: 'Ann@Example.com',
        role: 'owner',
        teams: ['red', 'blue'],
        metadata: { plan: 'pro', n: 1 },
        first_name: 'Ann',
        last_name: 'Lee',
      },
      ben: { email: 'ben@example.com', teams: ['red'], metadata: { plan: 'pro', n: 2, on: true } },
      cat: {
        metadata: JSON.parse('{"plan":"free","__proto__":"x","":"y","deep":{"plan":"pro"},"none":null}'),
      },
    };
    const listed = async (query: string) => {
      const { status, body } = await call('GET', `/v1/users?${query}`, undefined, by);
      expect([query, status]).toEqual([query, 200]);
      const names = body.data.map(({ id }: { id: string }) => nameOf(id));
      return { names, total: body.total, next: body.next_cursor };
    };
    const nameOf = (id: string) => Object.keys(ids).find((name) => ids[name] === id) ?? 'default';

    beforeAll(async () => {
      by = await newPlatform();
      for (const [name, user] of Object.entries(USERS)) {
        ids[name] = (await call('POST', '/v1/users', user, by)).body.id;
      }
      await call('POST', '/v1/users', USERS.ann);
    });

    it.each([
      ['', ['cat', 'ben', 'ann', 'default']],
      ['order=created_at', ['default', 'ann', 'ben', 'cat']],
      ['email=aNN%40example.COM', ['ann']],
      ['email=nobody%40example.com', []],
      ['role=owner', ['ann']],
      ['status=active&order=-created_at', ['cat', 'ben', 'ann', 'default']],
      ['status=archived', []],
      ['team=red', ['ben', 'ann']],
      ['team=blue&role=member', []],
      ['metadata[plan]=pro', ['ben', 'ann']],
      ['metadata%5Bplan%5D=pro&order=created_at', ['ann', 'ben']],
      ['metadata[plan]=pro&metadata[n]=1', ['ann']],
      ['metadata[plan]=pro&team=blue&email=ann@example.com&status=active', ['ann']],
      ['metadata[plan]=pro&metadata[n]=3', []],
      ['metadata[plan]=free&email=ann@example.com', []],
      ['metadata[on]=true', ['ben']],
      ['metadata[__proto__]=x', ['cat']],
      ['metadata[]=y', ['cat']],
      ['metadata[none]=null', []],
      ['metadata[deep]=pro', []],
      ['metadata[plan]=PRO', []],
      ['q=ann', ['ann']],
      ['q=ANN+l', ['ann']],
      ['q=lee', ['ann']],
      ['q=lee+an', ['ann']],
      ['q=le+ann', []],
      ['q=example.c', ['ben', 'ann']],
      ['q=xample', []],
      ['q=@', []],
      ['q=be&team=red', ['ben']],
      ['q=be&team=blue', []],
      ['q=a&email=ann@example.com', ['ann']],
    ])('given users, when listed by "%s", then those that match, and their total', async (query, names) => {
      expect(await listed(query)).toEqual({ names, total: names.length, next: null });
    });

    it('when listed, then the answer says that it is JSON, as others do', async () => {
      const headers = { authorization: `Bearer ${by}` };
      const answers = await Promise.all(
        ['/v1/users', `/v1/users/${ids.ann}`].map((url) => app.inject({ method: 'GET', url, headers })),
      );
      const [list, one] = answers.map((answer) => answer.headers['content-type']);
      expect([list, one]).toEqual(['application/json; charset=utf-8', list]);
    });

    it('given a row that was lost, when read models are built anew, then lists have the user again', async () => {
      const database = app.get<ReadDatabase>(READ_DATABASE).of('user-directory');
      const lost = (await call('POST', '/v1/users', { label: 'Zed' }, by)).body.id;
      await database.write((transaction) => sql`delete from users where id = ${lost}`.execute(transaction));
      const later = (await call('POST', '/v1/users', { label: 'Zoe' }, by)).body.id;
      expect((await listed('q=z')).total).toBe(1);
      await call('POST', '/v1/projections/user-directory/rebuild', {}, settings.rootKey);
      const rebuilding = async () =>
        (await call('GET', '/v1/projections/user-directory/rebuild', undefined, settings.rootKey)).body.state;
      while ((await rebuilding()) === 'running') await sleep(10);
      expect((await listed('q=z')).total).toBe(2);
      for (const id of [lost, later]) await call('DELETE', `/v1/users/${id}`, undefined, by);
      expect((await listed('q=z')).total).toBe(0);
    });

    it.each(['q=', `q=${'x'.repeat(201)}`, 'q=%00'])('given "%s", then 400 names q', async (query) => {
      const { status, body } = await call('GET', `/v1/users?${query}`, undefined, by);
      expect([status, body.errors[0].field]).toEqual([400, 'q']);
    });

    it('given a default kit, when listed by it, then its users; and by another, none', async () => {
      const { account_kit_id } = (await call('GET', `/v1/users/${ids.ann}`, undefined, by)).body;
      expect((await listed(`account_kit_id=${account_kit_id}`)).total).toBe(4);
      expect((await listed(`account_kit_id=${ids.ann}`)).total).toBe(0);
    });

    it.each(['order=created_at', 'order=-created_at', 'metadata[plan]=pro', 'team=red&order=created_at'])(
      'given "%s", when read page by page, then every user comes once, in order',
      async (query) => {
        const whole = await listed(query);
        const names = [];
        let cursor = '';
        do {
          const page = await listed(`${query}&limit=1${cursor}`);
          expect(page.total).toBe(whole.total);
          names.push(...page.names);
          cursor = page.next === null ? '' : `&cursor=${page.next}`;
        } while (cursor);
        expect(names).toEqual(whole.names);
      },
    );

    it('given a cursor of one order, when used in the other, then 400 names it', async () => {
      const { next } = await listed('limit=1');
      const { next: oldest } = await listed('limit=1&order=created_at');
      for (const query of [`cursor=${next}&order=created_at`, `cursor=${oldest}`]) {
        const { status, body } = await call('GET', `/v1/users?${query}`, undefined, by);
        expect([status, body.errors[0].field]).toEqual([400, 'cursor']);
      }
    });

    it('given changes and a deletion, then the lists follow them', async () => {
      const { id } = (await call('POST', '/v1/users', { ...USERS.ben, email: null }, by)).body;
      ids.dan = id;
      await call(
        'PATCH',
        `/v1/users/${id}`,
        { email: 'dan@example.com', metadata: { n: 9 }, teams: ['green'], status: 'suspended' },
        by,
      );
      const queries = ['email=dan@example.com', 'metadata[n]=9', 'team=green', 'status=suspended'];
      for (const query of queries) expect((await listed(query)).names).toEqual(['dan']);
      expect((await listed('metadata[plan]=pro')).names).toEqual(['ben', 'ann']);
      expect((await listed('team=red')).names).toEqual(['ben', 'ann']);
      await call('PATCH', `/v1/users/${id}`, { label: 'Dan', email: null }, by);
      expect((await listed('email=dan@example.com')).total).toBe(0);
      expect((await listed('metadata[n]=9')).names).toEqual(['dan']);
      await call('DELETE', `/v1/users/${id}`, undefined, by);
      for (const query of queries) expect((await listed(query)).total).toBe(0);
    });

    it('given all of that, then a rebuild changes no row, and no file holds an email or metadata', async () => {
      const readModels = app.get(ReadModels);
      await readModels.rebuild('user-directory', true);
      while (readModels.rebuildStatus('user-directory').state === 'running') await sleep(5);
      expect(readModels.rebuildStatus('user-directory')).toMatchObject({
        state: 'completed',
        differences: 0,
      });
      await call(
        'POST',
        '/v1/users',
        { email: 'secret@example.com', metadata: { hush: 'very private' } },
        by,
      );
      for (const file of filesUnder(settings.dataDir)) {
        const bytes = await readFile(file);
        const held = ['secret@example.com', 'very private', 'hush'].filter((text) => bytes.includes(text));
        expect([file, held]).toEqual([file, []]);
      }
    });

    it('given events stored without indexes, then the lists find their users all the same', async () => {
      const { tenant_id } = (await call('GET', `/v1/users/${ids.ann}`, undefined, by)).body;
      const id = newId();
      const codec = new PersonalDataCodec(app.get(Sealer));
      const store = app.get<EventStore>(EVENT_STORE);
      const subject_key = await app.get<SubjectKeyStore>(KEY_STORE).assign();
      const scope = { tenant_id, platform_id: 'p', account_kit_id: 'k', subject_key, status: 'active' };
      const append = async (type: string, data: object, expected: ExpectedRevision) => {
        const metadata = systemContext(
          { id, correlationId: id },
          { platformId: 'p', tenantId: tenant_id },
          'x',
        );
        const event = {
          id: newId(),
          type,
          at: clock.now().toISOString(),
          metadata,
          data: { ...scope, ...data },
        };
        const encoded = await codec.encode(event, `tenantUser-${id}`);
        await store.append(`tenantUser-${id}`, expected, [encoded]);
        await app.get(ReadModels).catchUp(10_000);
      };
      const personal = { email: 'old@example.com', metadata: { age: 'old' } };
      const standing = { is_default: false, external_id_index: null, role: 'member', teams: [] };
      await append('tenant-user.created.v1', { ...standing, personal }, 'no_stream');
      expect((await listed('email=old@example.com&metadata[age]=old')).total).toBe(1);
      const changes = { changed: ['metadata'], personal: { metadata: { age: 'new' } } };
      await append('tenant-user.updated.v1', changes, 0);
      expect((await listed('email=old@example.com&metadata[age]=new')).total).toBe(1);
      expect((await listed('metadata[age]=old')).total).toBe(0);
    });

    it.each([
      ['status', 'status=gone'],
      ['status', 'status=active&status=active'],
      ['role', 'role=a%20b'],
      ['team', 'team='],
      ['account_kit_id', 'account_kit_id=mine'],
      ['email', 'email=nobody'],
      ['order', 'order=label'],
      ['metadata', 'metadata=pro'],
      ['metadata', 'metadata=pro&metadata[a]=b'],
      ['metadata', 'metadata[a]=1&metadata[a]=1'],
      ['metadata', Array.from({ length: 11 }, (_, index) => `metadata[${index}]=x`).join('&')],
      ['label[a]', 'label[a]=1'],
    ])('given a bad %s, when users are listed by "%s", then 400 names it', async (field, query) => {
      const { status, body } = await call('GET', `/v1/users?${query}`);
      expect([status, body.code, body.errors]).toMatchObject([400, 'invalid_input', [{ field }]]);
    });
  });

  describe('the history of a user', () => {
    const history = async (id: string, query = '', by = key) =>
      call('GET', `/v1/users/${id}/events${query}`, undefined, by);
    const NOTHING = { from: null, to: null };

    it('given changes, then each event with its actor and what it changed, oldest first', async () => {
      const made = await call('POST', '/v1/users', { email: 'eve@example.com', metadata: { a: 1 } });
      const { id } = made.body;
      await call('PATCH', `/v1/users/${id}`, { metadata: { b: [2] }, status: 'suspended' });
      await call('PATCH', `/v1/users/${id}`, { status: 'suspended', email: null });
      const { status, body } = await history(id);
      expect([status, body.next_cursor]).toEqual([200, null]);
      expect(body.data[0]).toMatchObject({
        type: 'tenant-user.created.v2',
        position: made.headers['tenantry-position'],
        revision: 0,
        at: made.body.created_at,
        actor: { type: 'platform_key', id: expect.any(String) },
        correlation_id: made.headers['x-request-id'],
        changes: {
          email: { from: null, to: 'eve@example.com' },
          label: NOTHING,
          role: { from: null, to: 'member' },
          status: { from: null, to: 'active' },
          metadata: { from: null, to: { a: 1 } },
        },
      });
      expect(body.data.slice(1).map(({ changes }: { changes: object }) => changes)).toEqual([
        { metadata: { from: { a: 1 }, to: { b: [2] } }, status: { from: 'active', to: 'suspended' } },
        { email: { from: 'eve@example.com', to: null } },
      ]);
    });

    it('given several events, when read page by page, then each once, with what it changed from', async () => {
      const { id } = (await call('POST', '/v1/users', {})).body;
      for (const label of ['One', 'Two', 'Three']) await call('PATCH', `/v1/users/${id}`, { label });
      const pages = [];
      let cursor: string | null = null;
      do {
        const { body }: Awaited<ReturnType<typeof history>> = await history(
          id,
          `?limit=2${cursor === null ? '' : `&cursor=${cursor}`}`,
        );
        pages.push(body.data);
        cursor = body.next_cursor;
      } while (cursor);
      expect(pages.map(({ length }) => length)).toEqual([2, 2]);
      expect(pages.flat()).toEqual((await history(id)).body.data);
      expect(pages[1][0].changes).toEqual({ label: { from: 'One', to: 'Two' } });
      expect((await history(id, `?cursor=${encodeCursor(99, 'created_at')}`)).body).toEqual({
        data: [],
        next_cursor: null,
      });
    });

    it.each([false, true])(
      'given a deleted user (key destroyed: %s), then nothing personal',
      async (gone) => {
        const { id } = (await call('POST', '/v1/users', { email: 'eve@example.com', role: 'owner' })).body;
        await call('PATCH', `/v1/users/${id}`, { label: 'Eve', metadata: { a: 1 }, teams: ['red'] });
        await call('DELETE', `/v1/users/${id}`);
        const { state } = await app.get(Aggregates).load(tenantUser, id);
        if (gone && state.lifecycle === 'deleted') {
          await app.get<SubjectKeyStore>(KEY_STORE).destroy([state.subject_key]);
        }
        const { status, body } = await history(id);
        expect(status).toBe(200);
        expect(body.data.map(({ type }: { type: string }) => type)).toEqual([
          'tenant-user.created.v2',
          'tenant-user.updated.v2',
          'tenant-user.deleted.v1',
        ]);
        expect(body.data[0].changes).toMatchObject({
          email: NOTHING,
          metadata: NOTHING,
          role: NOTHING,
          status: { from: null, to: 'active' },
        });
        expect(body.data[1].changes).toEqual({
          label: NOTHING,
          metadata: NOTHING,
          teams: NOTHING,
        });
        expect(body.data[2].changes).toEqual({});
      },
    );

    it('given a foreign or missing user, then both answer alike; and default names one', async () => {
      const { id } = (await call('POST', '/v1/users', {})).body;
      const other = await newPlatform();
      const problemOf = ({ status, body: { request_id: _, ...body } }: Awaited<ReturnType<typeof call>>) => ({
        status,
        body,
      });
      const foreign = problemOf(await history(id, '', other));
      expect(foreign).toEqual(problemOf(await history(newId())));
      expect(foreign).toMatchObject({ status: 404, body: { detail: 'user not found' } });
      const { body } = await history('default');
      expect(body.data[0].changes.label).toEqual({ from: null, to: 'Default user' });
      expect((await history(id, '?types=x')).body.errors).toEqual([
        { field: 'types', message: 'is not a known field' },
      ]);
      expect((await history(id, `?cursor=${encodeCursor(1)}`)).status).toBe(400);
    });
  });
});
