import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Aggregates, type EventStore } from '#event-store';
import { type Clock, type Identifier, newId, systemContext } from '#kernel';
import { CLOCK, EVENT_STORE, ReadModels } from '#platform';
import { IdentifierRegistry, PersonalDataCodec, Sealer } from '#privacy';
import { filesUnder } from '#testing';
import { openService, type ServiceApplication } from '../../../test/service-application.js';
import { KitAssignments } from './commands/kit-assignments.js';
import { UpdateTenantUserHandler } from './commands/update-tenant-user.js';
import { userIdentifiers } from './domain/identifiers.js';
import { tenantUser } from './domain/tenant-user.decide.js';
import { TenantUsersModule, tenantUsersConsumer } from './index.js';
import { PARTICIPANTS } from './policies/participants.js';
import { UserDeletionProcess } from './policies/user-deletion.js';

const clock = { now: () => new Date('2026-01-15T10:00:00Z') };

describe('usernames', () => {
  let service: ServiceApplication;
  let platform: Awaited<ReturnType<ServiceApplication['newPlatform']>>;
  let key: string;

  beforeAll(async () => {
    service = await openService({ modules: [TenantUsersModule], consumers: [tenantUsersConsumer], clock });
    platform = await service.newPlatform();
    key = platform.api_key.raw_key;
  });
  afterAll(() => service.remove());

  const call: ServiceApplication['call'] = (method, url, body, by) =>
    service.call(method, url, body, { key, ...by });
  const create = (body: object, by?: Parameters<typeof call>[3]) => call('POST', '/v1/users', body, by);
  const patch = (id: string, body: object, by?: Parameters<typeof call>[3]) =>
    call('PATCH', `/v1/users/${id}`, body, by);
  const taken = (existing_id: string) => ({
    status: 409,
    body: expect.objectContaining({
      code: 'duplicate_record',
      existing_id,
      errors: [{ field: 'username', message: 'is taken in this tenant' }],
    }),
  });
  const outcome = ({ status, body }: { status: number; body: object }) => ({ status, body });
  const tenantId = () => platform.default_tenant_id;
  const context = () =>
    systemContext(
      { id: newId(), correlationId: newId() },
      { platformId: platform.id, tenantId: tenantId() },
      'test',
    );
  /** With a cache of its own, which is behind. */
  const otherUpdates = () => {
    const { app } = service;
    const codec = new PersonalDataCodec(app.get(Sealer));
    const aggregates = new Aggregates(app.get<EventStore>(EVENT_STORE), codec, app.get<Clock>(CLOCK));
    return new UpdateTenantUserHandler(aggregates, new KitAssignments(aggregates));
  };
  const identifiers = () => service.app.get(IdentifierRegistry);
  const identifier = (username: string): Identifier => ({
    kind: 'user.username',
    scope: tenantId(),
    value: username,
  });
  const holderOf = (username: string) => identifiers().holderOf(identifier(username));
  it('given a taken username in any case, then creating or patching another user to it is refused', async () => {
    const owner = (await create({ username: 'Alice' })).body;
    expect(owner.username).toBe('Alice');
    expect(outcome(await create({ username: 'alice' }))).toEqual(taken(owner.id));
    const other = (await create({ username: 'bob' })).body;
    expect(outcome(await patch(other.id, { username: 'ALICE', label: 'x' }))).toEqual(taken(owner.id));
    expect((await call('GET', `/v1/users/${other.id}`)).body).toEqual(other);
    expect((await patch(owner.id, { username: 'aLICE' })).body).toMatchObject({
      username: 'aLICE',
      revision: 1,
    });
    expect((await patch(owner.id, { username: 'aLICE' })).body.revision).toBe(1);
  });

  it('given another tenant or platform, then the username is free there, and no id is told', async () => {
    const { id } = (await create({ username: 'carol' })).body;
    const tenant = (await call('POST', '/v1/tenants', { name: 'Globex' })).body.id;
    const there = await create({ username: 'carol' }, { tenant });
    expect(there.status).toBe(201);
    const foreign = { key: (await service.newPlatform()).api_key.raw_key };
    const abroad = await create({ username: 'carol' }, foreign);
    expect(abroad.status).toBe(201);
    for (const [by, existing] of [
      [{}, id],
      [{ tenant }, there.body.id],
      [foreign, abroad.body.id],
    ] as const) {
      expect(outcome(await create({ username: 'CAROL' }, by))).toEqual(taken(existing));
    }
  });

  it('given a username that its user changed, cleared or was deleted with, then it is free', async () => {
    const { id } = (await create({ username: 'dave' })).body;
    for (const change of [
      () => patch(id, { username: 'dave-2' }),
      () => patch(id, { username: null }),
      async () => {
        const { body } = await create({ username: 'dave-3' });
        return call('DELETE', `/v1/users/${body.id}`);
      },
    ])
      expect((await change()).status).toBeLessThan(300);
    for (const username of ['dave', 'dave-2', 'dave-3']) {
      while ((await holderOf(username)) !== undefined) await sleep(5);
      expect((await create({ username })).status).toBe(201);
    }
    expect((await call('GET', `/v1/users/${id}`)).body).toMatchObject({ username: null, revision: 2 });
  });

  it('given many creates and patches for one username at once, then one user has it', async () => {
    const users = await Promise.all(Array.from({ length: 10 }, () => create({})));
    const answers = await Promise.all([
      ...Array.from({ length: 10 }, (_, index) => create({ username: index % 2 ? 'eve' : 'EVE' })),
      ...users.map(({ body }) => patch(body.id, { username: 'Eve' })),
    ]);
    const [owner, ...others] = answers.filter(({ status }) => status < 300);
    expect(others).toEqual([]);
    const refused = answers.filter((answer) => answer !== owner);
    expect(refused.map(outcome)).toEqual(refused.map(() => taken(owner?.body.id)));
    for (const { body } of users.filter((user) => user.body.id !== owner?.body.id)) {
      expect((await call('GET', `/v1/users/${body.id}`)).body).toEqual(body);
    }
  });

  it('given many patches of one user at once to many usernames, then it has the last and the others are free', async () => {
    const { id } = (await create({ username: 'frank' })).body;
    const names = Array.from({ length: 12 }, (_, index) => `frank-${index}`);
    const answers = await Promise.all([
      ...names.map((username) => patch(id, { username })),
      ...names.map((label) => patch(id, { label })),
    ]);
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    const { username } = (await call('GET', `/v1/users/${id}`)).body;
    for (const name of ['frank', ...names]) {
      const { status, body } = await create({ username: name });
      expect([name, status]).toEqual([name, name === username ? 409 : 201]);
      if (status === 409) expect(body.existing_id).toBe(id);
    }
  });

  it('given users who swap usernames at once, then none waits for ever and no username has two users', async () => {
    const users = await Promise.all(
      ['gina', 'hugo'].map(async (username) => (await create({ username })).body),
    );
    const [one, two] = users;
    const answers = await Promise.all([
      patch(one.id, { username: 'hugo' }),
      patch(two.id, { username: 'gina' }),
    ]);
    for (const { status } of answers) expect([200, 409]).toContain(status);
    const now = await Promise.all(users.map(async ({ id }) => (await call('GET', `/v1/users/${id}`)).body));
    expect(new Set(now.map(({ username }) => username)).size).toBe(2);
  });

  it('given claims whose user never came, then the next try takes them over', async () => {
    for (const body of [{ username: 'ivan' }, { external_id: 'judy', username: 'judy' }]) {
      const lost = newId();
      const claims = userIdentifiers(tenantId(), body);
      await identifiers().claim(claims, { holder: lost, revision: 0 });
      expect(await holderOf(body.username)).toBe(lost);
      const made = await create(body);
      expect(made.status).toBe(201);
      for (const claim of claims) expect(await identifiers().holderOf(claim)).toBe(made.body.id);
      expect((await call('GET', `/v1/users/${lost}`)).status).toBe(404);
      expect((await call('GET', `/v1/users/${lost}/events`)).status).toBe(404);
      expect((await create(body)).body.existing_id).toBe(made.body.id);
    }
  });

  it('given a claim that a patch left behind, then the next try takes it over, and its user can have another', async () => {
    const slow = (await create({ username: 'kim' })).body;
    await identifiers().claim([identifier('karl')], { holder: slow.id, revision: 1 });
    const { status, body } = await create({ username: 'karl' });
    expect(status).toBe(201);
    expect((await call('GET', `/v1/users/${slow.id}`)).body).toEqual(slow);
    expect(outcome(await patch(slow.id, { username: 'karl' }))).toEqual(taken(body.id));
    expect((await patch(slow.id, { username: 'karl-2' })).status).toBe(200);
    expect(outcome(await create({ username: 'KIM' }))).toMatchObject({ status: 201 });
  });

  it('given caches that are behind, when each patches a user to one username at once, then one user has it', async () => {
    const processes = [otherUpdates(), otherUpdates(), otherUpdates()];
    const users = await Promise.all(processes.map(async () => (await create({})).body));
    for (const username of ['liam', 'mia', 'noah', 'olga']) {
      const outcomes = await Promise.allSettled(
        processes.map((updates, index) => {
          const update = { tenantId: tenantId(), userId: users[index].id, changes: { username } };
          return updates.execute({ given: update, context: context() } as never);
        }),
      );
      for (const result of outcomes) {
        if (result.status === 'fulfilled') continue;
        expect(['duplicate_record', 'conflict']).toContain(result.reason.code);
      }
      await service.app.get(ReadModels).catchUp(10_000);
      const now = await Promise.all(users.map(async ({ id }) => (await call('GET', `/v1/users/${id}`)).body));
      expect(now.filter((user) => user.username === username).length).toBe(
        outcomes.filter((result) => result.status === 'fulfilled').length,
      );
      expect(now.filter((user) => user.username === username).length).toBeLessThanOrEqual(1);
    }
  });

  it('given a taken external_id, then it is what a create is refused for, and its username stays free', async () => {
    const { id } = (await create({ external_id: 'pat', username: 'pat' })).body;
    const refused = await create({ external_id: 'pat', username: 'pat-2' });
    expect(refused.body).toMatchObject({ existing_id: id, errors: [{ field: 'external_id' }] });
    const existing = await call('POST', '/v1/users?if_exists=return', {
      external_id: 'pat',
      username: 'pat',
    });
    expect([existing.status, existing.body.id]).toEqual([200, id]);
    const clash = await call('POST', '/v1/users?if_exists=return', { external_id: 'new', username: 'pat' });
    expect(outcome(clash)).toEqual(taken(id));
    expect((await create({ username: 'pat-2' })).status).toBe(201);
  });

  it('given another revision than If-Match names, then 412, and the username stays free', async () => {
    const { id } = (await create({})).body;
    const refused = await patch(id, { username: 'quinn' }, { headers: { 'if-match': '"7"' } });
    expect(refused.status).toBe(412);
    expect((await patch(newId(), { username: 'quinn' })).status).toBe(404);
    expect((await create({ username: 'quinn' })).status).toBe(201);
    expect((await patch(id, { username: 'quinn-2' }, { headers: { 'if-match': '"0"' } })).body.revision).toBe(
      1,
    );
  });

  it('given many creates at once with one external_id, then one makes the user, and all others name it', async () => {
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) => create({ external_id: 'rita', username: `rita-${index}` })),
    );
    const made = answers.filter(({ status }) => status === 201);
    expect(made).toHaveLength(1);
    const refused = { code: 'duplicate_record', existing_id: made[0]?.body.id };
    for (const { body } of answers.filter((answer) => answer !== made[0])) {
      expect(body).toMatchObject({ ...refused, errors: [{ field: 'external_id' }] });
    }
    const held = await Promise.all(answers.map((_, index) => holderOf(`rita-${index}`)));
    expect(held.filter((holder) => holder !== undefined)).toEqual([made[0]?.body.id]);
  });

  it('given a deletion to its receipt, then no file holds a digest of the user, and the log no hash of any value', async () => {
    const values = {
      external_id: 'thomasin-id',
      username: 'Thomasin',
      email: 'thomasin@example.com',
      role: 'patient',
    };
    const { id } = (await create({ ...values, metadata: { diagnosis: 'x' }, teams: ['oncology'] })).body;
    await patch(id, { username: 'thomasin-2' });
    const digests = [...userIdentifiers(tenantId(), values), identifier('thomasin-2')].map((it) =>
      Buffer.from(identifiers().digest(it)),
    );
    expect((await call('DELETE', `/v1/users/${id}`)).status).toBe(202);
    for (const participant of PARTICIPANTS) {
      await service.app.get(UserDeletionProcess).confirm(id, { participant, removed: {} }, context());
    }
    for (const file of filesUnder(service.dataDir)) {
      const bytes = await readFile(file);
      expect([file, digests.filter((digest) => bytes.includes(digest))]).toEqual([file, []]);
    }
    const stored = await service.app.get<EventStore>(EVENT_STORE).read(`tenantUser-${id}`);
    const scope = ['platform_id', 'tenant_id', 'subject_key'];
    expect(
      stored.map(({ type, data }) => [
        type,
        Object.keys(data)
          .filter((key) => !scope.includes(key))
          .sort(),
      ]),
    ).toEqual([
      ['tenant-user.created.v2', ['account_kit_id', 'is_default', 'opening_budget', 'personal', 'status']],
      ['tenant-user.updated.v2', ['account_kit_id', 'changed', 'personal', 'status']],
      ['tenant-user.deleted.v1', []],
    ]);
    // Words that are too long to stand by chance in what is sealed.
    expect(JSON.stringify(stored.map(({ data }) => data))).not.toMatch(
      /thomasin|patient|oncology|diagnosis/i,
    );
  });

  it('given all of that, then a rebuild differs in no row', async () => {
    const readModels = service.app.get(ReadModels);
    await readModels.rebuild('user-directory', true);
    while (readModels.rebuildStatus('user-directory').state === 'running') await sleep(5);
    expect(readModels.rebuildStatus('user-directory')).toMatchObject({ state: 'completed', differences: 0 });
  });

  it('given a user whose text is damaged, then it is suspended, keeps what is its own, and is deleted', async () => {
    const { id } = (await create({ external_id: 'sam', username: 'sam' })).body;
    const stream = `tenantUser-${id}`;
    const store = service.app.get<EventStore>(EVENT_STORE);
    const [first] = await store.read(stream);
    const damaged = String(first?.data.personal).replace(/.{4}$/, 'AAAA');
    const data = { ...first!.data, status: 'active', changed: [], personal: damaged };
    await store.append(stream, 0, [{ ...first!, id: newId(), type: 'tenant-user.updated.v2', data }]);
    const aggregates = service.app.get(Aggregates);
    const update = (changes: object) => ({ kind: 'update' as const, tenant_id: tenantId(), changes });
    const by = { context: context() };
    await aggregates.execute(tenantUser, id, update({ status: 'suspended' }), by);
    const last = (await store.read(stream)).at(-1);
    expect(last?.data).toMatchObject({ status: 'suspended', personal: damaged });
    const renaming = aggregates.execute(tenantUser, id, update({ label: 'Sam' }), by);
    await expect(renaming).rejects.toMatchObject({ code: 'illegal_state' });
    const again = await create({ external_id: 'sam' });
    expect(again.body).toMatchObject({ existing_id: id });
    await aggregates.execute(tenantUser, id, { kind: 'delete', tenant_id: tenantId() }, by);
    expect((await create({ external_id: 'sam', username: 'sam' })).status).toBe(201);
  });
});
