import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Aggregates, type EventStore } from '#event-store';
import { type Clock, newId, systemContext } from '#kernel';
import { CLOCK, EVENT_STORE, ReadModels } from '#platform';
import { PersonalDataCodec, Sealer } from '#privacy';
import { openService, type ServiceApplication } from '../../../test/service-application.js';
import { BlindIndexes } from './commands/blind-indexes.js';
import { KitAssignments } from './commands/kit-assignments.js';
import { UpdateTenantUserHandler } from './commands/update-tenant-user.js';
import { UserIds } from './commands/user-ids.js';
import { Usernames } from './commands/usernames.js';
import { tenantUser } from './domain/tenant-user.decide.js';
import { TenantUsersModule, tenantUsersConsumer } from './index.js';

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
  /** What another process would have of its own: nothing is shared but the log. */
  const elsewhere = () => {
    const { app } = service;
    const codec = new PersonalDataCodec(app.get(Sealer));
    const aggregates = new Aggregates(app.get<EventStore>(EVENT_STORE), codec, app.get<Clock>(CLOCK));
    const usernames = new Usernames(aggregates, app.get(UserIds));
    const kits = new KitAssignments(aggregates);
    const updates = new UpdateTenantUserHandler(aggregates, kits, app.get(BlindIndexes), usernames);
    return { usernames, updates };
  };
  const indexOf = (username: string) => service.app.get(UserIds).usernameIndex(tenantId(), username);
  const eventsOf = (username: string) =>
    service.app.get<EventStore>(EVENT_STORE).read(`username-${indexOf(username)}`);
  const claimant = (user_id: string) => ({ platform_id: platform.id, tenant_id: tenantId(), user_id });

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
      expect((await eventsOf(username)).map(({ type }) => type)).toEqual([
        'username.claimed.v1',
        'username.released.v1',
      ]);
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

  it('given a claim whose user never came, then the next try takes it over, and the first can never come', async () => {
    const lost = newId();
    const { usernames } = elsewhere();
    const claim = await usernames.claim(claimant(lost), indexOf('ivan'), context());
    const { status, body } = await create({ username: 'ivan' });
    expect(status).toBe(201);
    const command = {
      kind: 'create' as const,
      id: lost,
      platform_id: platform.id,
      tenant_id: tenantId(),
      is_default: false,
      external_id_index: null,
      opening_budget: null,
      subject_key: '1',
      indexes: { email_index: null, metadata_index: [] },
      standing: { role: 'member', teams: [], account_kit_id: newId() },
      username_claim: claim,
      personal: { username: 'ivan' } as never,
    };
    const late = service.app.get(Aggregates).execute(tenantUser, lost, command, { context: context() });
    await expect(late).rejects.toMatchObject({ code: 'illegal_state' });
    expect((await call('GET', `/v1/users/${lost}`)).status).toBe(404);
    expect((await call('GET', `/v1/users/${lost}/events`)).status).toBe(404);
    expect(outcome(await create({ username: 'ivan' }))).toEqual(taken(body.id));
  });

  it('given a claim that a create of this external_id left behind, then the next create completes it', async () => {
    const id = service.app.get(UserIds).derive(tenantId(), 'judy', 0);
    await elsewhere().usernames.claim(claimant(id), indexOf('judy'), context());
    expect((await create({ external_id: 'judy', username: 'judy' })).body).toMatchObject({
      id,
      username: 'judy',
    });
  });

  it('given a claim that a patch left behind, then the next try takes it over, and the patch is refused', async () => {
    const slow = (await create({ username: 'kim' })).body;
    const claim = await elsewhere().usernames.claim(claimant(slow.id), indexOf('karl'), context());
    const { status, body } = await create({ username: 'karl' });
    expect(status).toBe(201);
    const update = {
      kind: 'update' as const,
      tenant_id: tenantId(),
      changes: { username: 'karl' },
      indexes: {},
    };
    const late = service.app
      .get(Aggregates)
      .execute(tenantUser, slow.id, { ...update, username: { claim, epoch: 0 } }, { context: context() });
    await expect(late).rejects.toMatchObject({ code: 'conflict' });
    expect((await call('GET', `/v1/users/${slow.id}`)).body).toMatchObject({ username: 'kim' });
    expect(outcome(await patch(slow.id, { username: 'karl' }))).toEqual(taken(body.id));
    expect((await patch(slow.id, { username: 'karl-2' })).status).toBe(200);
  });

  it('given several processes that patch users to one username at once, then one user has it', async () => {
    const processes = [elsewhere(), elsewhere(), elsewhere()];
    const users = await Promise.all(processes.map(async () => (await create({})).body));
    for (const username of ['liam', 'mia', 'noah', 'olga']) {
      const outcomes = await Promise.allSettled(
        processes.map(({ updates }, index) => {
          const update = { tenantId: tenantId(), userId: users[index].id, changes: { username } };
          return updates.execute({ update, context: context() } as never);
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

  it('given all of that, then the log holds no username in clear, and a rebuild differs in no row', async () => {
    const readModels = service.app.get(ReadModels);
    readModels.rebuild('user-directory', true);
    while (readModels.rebuildStatus('user-directory').state === 'running') await sleep(5);
    expect(readModels.rebuildStatus('user-directory')).toMatchObject({ state: 'completed', differences: 0 });
    const stored = await eventsOf('alice');
    expect(stored.map(({ type }) => type)).toEqual(['username.claimed.v1']);
    expect(JSON.stringify(stored, (_, value) => (typeof value === 'bigint' ? '' : value))).not.toMatch(
      /alice/i,
    );
  });
});
