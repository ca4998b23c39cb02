import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { EventStore } from '#event-store';
import { newId, systemContext } from '#kernel';
import {
  AppLogger,
  createApp,
  EVENT_STORE,
  KEY_STORE,
  loadSettings,
  PlatformModule,
  type Settings,
  startFollowing,
} from '#platform';
import { IdentifierRegistry, PersonalDataCodec, Sealer, type SubjectKeyStore } from '#privacy';
import { TenantUsersModule, tenantUsersConsumer } from './index.js';
import { PARTICIPANTS } from './policies/participants.js';
import { UserDeletionProcess } from './policies/user-deletion.js';

const clock = { now: () => new Date('2026-01-15T10:00:00Z') };

describe('the first start on a log of the first version', () => {
  let settings: Settings;
  let app: NestFastifyApplication;
  let key: string;
  let platform: { id: string; default_tenant_id: string };
  const ids: Record<string, string> = {};

  const open = async () => {
    class TestModule {}
    const imports = [PlatformModule.forRoot(settings, clock), TenantUsersModule];
    app = await createApp({ module: TestModule, imports }, [tenantUsersConsumer]);
  };
  const call = async (method: 'GET' | 'POST' | 'PATCH' | 'DELETE', url: string, body?: object, by = key) => {
    const headers = { authorization: `Bearer ${by}` };
    const answer = await app.inject({ method, url, headers, ...(body && { payload: body }) });
    return { status: answer.statusCode, body: answer.json() };
  };
  const create = (body: object) => call('POST', '/v1/users', body);
  const taken = (existing_id: string | undefined, field: string) => ({
    status: 409,
    body: expect.objectContaining({ existing_id, errors: [expect.objectContaining({ field })] }),
  });
  const context = () => {
    const id = newId();
    const scope = { platformId: platform.id, tenantId: platform.default_tenant_id };
    return systemContext({ id, correlationId: id }, scope, 'test');
  };
  /** As the first version wrote them. */
  const life = async (name: string, ...changes: ({ username: string } | 'suspended' | 'deleted')[]) => {
    const id = newId();
    ids[name] = id;
    const codec = new PersonalDataCodec(app.get(Sealer));
    const subject_key = await app.get<SubjectKeyStore>(KEY_STORE).assign();
    const scope = { platform_id: platform.id, tenant_id: platform.default_tenant_id, subject_key };
    const standing = { account_kit_id: 'kit', status: 'active' };
    const inClear = {
      is_default: false,
      role: 'member',
      teams: ['red'],
      external_id_index: 'x',
      email_index: null,
    };
    const personal = { external_id: name, email: null, username: name, label: name, metadata: { n: 1 } };
    const datas = changes.map((change): [string, object] => {
      if (change === 'deleted') return ['deleted', { username_claim: { index: 'x', claim_id: 'y' } }];
      if (change === 'suspended') return ['updated', { ...standing, status: change, changed: ['status'] }];
      const claim = { username_claim: { index: 'x', claim_id: 'y' } };
      return ['updated', { ...standing, ...claim, changed: ['username'], personal: change }];
    });
    const all: [string, object][] = [['created', { ...standing, ...inClear, personal }], ...datas];
    for (const [revision, [type, data]] of all.entries()) {
      const event = {
        id: newId(),
        type: `tenant-user.${type}.v1`,
        at: clock.now().toISOString(),
        metadata: context(),
        data: { ...scope, ...data },
      };
      const stored = await codec.encode(event, `tenantUser-${id}`);
      const store = app.get<EventStore>(EVENT_STORE);
      await store.append(`tenantUser-${id}`, revision === 0 ? 'no_stream' : revision - 1, [stored]);
    }
  };
  /** As the key store and the read model were before there were claims. */
  const forgetIdentifiers = () => {
    const changes = {
      'keys.db': 'delete from identifiers; delete from identifiers_complete',
      'read/common.db': "delete from checkpoints where name = 'identifiers'",
    };
    for (const [file, change] of Object.entries(changes)) {
      const database = new DatabaseSync(join(settings.dataDir, file));
      database.exec(change);
      database.close();
    }
  };

  const secretNames = () => {
    const database = new DatabaseSync(join(settings.dataDir, 'keys.db'), { readOnly: true });
    const names = database.prepare('select name from secrets').all();
    database.close();
    return names.map(({ name }) => name);
  };

  beforeAll(async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'tenantry-old-log-'));
    settings = loadSettings({ TENANTRY_DATA_DIR: dataDir, LOG_LEVEL: 'silent' });
    await open();
    await startFollowing(app);
    const made = await call('POST', '/v1/platforms', { name: 'Acme' }, settings.rootKey);
    platform = made.body;
    key = made.body.api_key.raw_key;
    const tenant = { name: 'Globex', external_id: 'customer' };
    ids.tenant = (await call('POST', '/v1/tenants', tenant)).body.id;
    const former = (await call('POST', '/v1/tenants', { name: 'Initech', external_id: 'former' })).body.id;
    await call('DELETE', `/v1/tenants/${former}`);
    await life('straße');
    await life('alice', { username: 'alice-2' }, { username: 'alice' }, 'suspended');
    await life('bob', { username: 'bob-2' });
    await life('carol', { username: 'STRASSE' });
    await life('gone', 'deleted');
    await life('erased', 'deleted');
    for (const participant of PARTICIPANTS) {
      while ((await call('GET', `/v1/users/${ids.erased}/deletion`)).status !== 200)
        await new Promise(setImmediate);
      await app.get(UserDeletionProcess).confirm(ids.erased!, { participant, removed: {} }, context());
    }
    await app.get<SubjectKeyStore>(KEY_STORE).secret('blind-index');
    await app.close();
    forgetIdentifiers();
  });
  afterAll(async () => {
    await app.close();
    await rm(settings.dataDir, { recursive: true });
  });

  it('given that nothing is filled in yet, then what claims something waits, and all else is done', async () => {
    await open();
    expect(secretNames()).toContain('blind-index');
    const behind = { status: 503, body: expect.objectContaining({ code: 'projection_behind' }) };
    expect(await create({ external_id: 'new' })).toEqual(behind);
    expect(await create({ username: 'new' })).toEqual(behind);
  });

  it('given that it is filled in, then users have what they had, and two of one username are named', async () => {
    const warn = jest.spyOn(app.get(AppLogger), 'warn');
    await startFollowing(app);
    expect(await app.get(IdentifierRegistry).isComplete()).toBe(true);
    expect(secretNames()).not.toContain('blind-index');
    const collisions = [{ kind: 'user.username', older: ids.straße, younger: ids.carol }];
    expect(warn.mock.calls.map(([fields]) => fields)).toEqual(collisions);
    const { body } = await call('GET', '/health/ready');
    expect(body).toMatchObject({ status: 'up', identifier_collisions: collisions });
    for (const name of ['alice', 'bob', 'carol', 'straße']) {
      expect(await create({ external_id: name })).toEqual(taken(ids[name], 'external_id'));
    }
    for (const [username, name] of [
      ['ALICE', 'alice'],
      ['bob-2', 'bob'],
      ['Strasse', 'straße'],
    ] as const) {
      expect(await create({ username })).toEqual(taken(ids[name], 'username'));
    }
    for (const free of ['alice-2', 'bob', 'carol', 'gone', 'erased']) {
      expect((await create({ username: free })).status).toBe(201);
    }
    for (const free of ['gone', 'erased', 'ALICE']) {
      expect((await create({ external_id: free })).status).toBe(201);
    }
    const tenant = (external_id: string) => call('POST', '/v1/tenants', { name: 'Umbrella', external_id });
    expect(await tenant('customer')).toEqual(taken(ids.tenant, 'external_id'));
    expect((await tenant('former')).status).toBe(201);
  });

  it('given users of then, then they are found, patched and deleted like those of now', async () => {
    const { body } = await call('GET', `/v1/users?external_id=alice`);
    expect(body.data).toMatchObject([
      { id: ids.alice, username: 'alice', role: 'member', teams: ['red'], status: 'suspended', revision: 3 },
    ]);
    const patched = await call('PATCH', `/v1/users/${ids.alice}`, { status: 'active' });
    expect(patched.body).toEqual({ ...body.data[0], status: 'active', revision: 4 });
    const renamed = await call('PATCH', `/v1/users/${ids.alice}`, { username: 'alice-3', role: 'owner' });
    expect(renamed.body).toMatchObject({
      username: 'alice-3',
      role: 'owner',
      teams: ['red'],
      label: 'alice',
    });
    expect((await call('GET', `/v1/users/${ids.alice}?revision=1`)).body).toMatchObject({
      username: 'alice-2',
    });
    expect((await create({ username: 'alice' })).status).toBe(201);
    expect((await call('DELETE', `/v1/users/${ids.alice}`)).status).toBe(202);
    expect((await create({ external_id: 'alice', username: 'alice-3' })).status).toBe(201);
  });

  it('given the older of two with one username gone, then nobody is in the way of the younger, who keeps it', async () => {
    expect((await call('DELETE', `/v1/users/${ids.straße}`)).status).toBe(202);
    expect((await call('GET', `/v1/users/${ids.carol}`)).body).toMatchObject({ username: 'STRASSE' });
    expect((await call('PATCH', `/v1/users/${ids.carol}`, { username: 'Straße' })).status).toBe(200);
    expect(await create({ username: 'strasse' })).toEqual(taken(ids.carol, 'username'));
    const collisions = async () => (await call('GET', '/health/ready')).body.identifier_collisions;
    while ((await collisions()).length > 0) await new Promise(setImmediate);
  });
});
