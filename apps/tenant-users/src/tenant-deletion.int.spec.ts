import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CommandBus } from '@nestjs/cqrs';
import { Aggregates } from '#event-store';
import { newId, systemContext } from '#kernel';
import { KEY_STORE, ReadModels } from '#platform';
import type { SubjectKeyStore } from '#privacy';
import { openService, type ServiceApplication } from '../../../test/service-application.js';
import { IssuePlatformKey } from './commands/issue-platform-key.js';
import { tenantUser } from './domain/tenant-user.decide.js';
import { TenantUsersModule, tenantUsersConsumer } from './index.js';
import { PARTICIPANTS } from './policies/participants.js';
import { NOBODY } from './policies/provisioning.js';
import { UserDeletionProcess } from './policies/user-deletion.js';

const clock = { time: Date.parse('2026-01-15T10:00:00Z'), now: () => new Date(clock.time) };
const PARTS = { modules: [TenantUsersModule], consumers: [tenantUsersConsumer], clock };
const UNKNOWN = newId();

interface Progress {
  status: string;
  users_total: number;
  users_deleted: number;
  users_completed: number;
  requested_at: string;
  completed_at: string | null;
}

describe('deleting a tenant', () => {
  let service: ServiceApplication;
  let platform: Awaited<ReturnType<ServiceApplication['newPlatform']>>;
  let key: string;

  beforeAll(async () => {
    service = await openService(PARTS);
    platform = await service.newPlatform();
    key = platform.api_key.raw_key;
  });
  afterAll(() => service.remove());

  const call: ServiceApplication['call'] = (method, url, body, by) =>
    service.call(method, url, body, { key, ...by });
  const said = async (...request: Parameters<typeof call>) => {
    const { status, body } = await call(...request);
    const { request_id: _, ...rest } = body;
    return { status, ...rest };
  };
  const newTenant = async (body: object = {}) =>
    (await call('POST', '/v1/tenants', { name: 'Globex', ...body })).body;
  const newUser = async (tenant: string, body: object = {}) =>
    (await call('POST', '/v1/users', body, { tenant })).body.id as string;
  const restrictedKey = async (tenant_id: string): Promise<string> =>
    (await call('POST', '/v1/platform-keys', { name: 'Key', scopes: ['admin'], tenant_id })).body.raw_key;
  const progress = async (tenant: string): Promise<Progress> =>
    (await call('GET', `/v1/tenants/${tenant}/deletion`)).body;
  const until = async (tenant: string, holds: (progress: Progress) => boolean): Promise<Progress> => {
    for (;;) {
      const now = await progress(tenant);
      if (holds(now)) return now;
      await sleep(5);
    }
  };
  const isRequested = ({ users_total, users_deleted }: Progress) => users_total === users_deleted;
  const isCompleted = ({ status }: Progress) => status === 'completed';
  const context = (tenantId: string) => {
    const cause = { id: newId(), correlationId: newId() };
    return systemContext(cause, { platformId: platform.id, tenantId }, 'test');
  };
  /** What the other services would do. */
  const confirmAll = async (tenantId: string, userId: string) => {
    const deletions = service.app.get(UserDeletionProcess);
    for (const participant of PARTICIPANTS) {
      await deletions.confirm(userId, { participant, removed: {} }, context(tenantId));
    }
  };
  const created = (tenantId: string, subject_key: string, is_default = false) => ({
    kind: 'create' as const,
    platform_id: platform.id,
    tenant_id: tenantId,
    is_default,
    opening_budget: null,
    account_kit_id: newId(),
    subject_key,
    personal: { ...NOBODY, role: 'member' },
  });

  it('given a tenant with users, when it is deleted, then it is gone at once and its users go one by one', async () => {
    const { id, default_user_id: defaultUser } = await newTenant();
    const users = [defaultUser, await newUser(id), await newUser(id)];
    const gone = await newUser(id);
    await call('DELETE', `/v1/users/${gone}`, undefined, { tenant: id });
    await confirmAll(id, gone);
    const pending = await newUser(id);
    await call('DELETE', `/v1/users/${pending}`, undefined, { tenant: id });
    const own = await restrictedKey(id);
    const { status, body, headers } = await call('DELETE', `/v1/tenants/${id}`);
    expect([status, headers['tenantry-position']]).toEqual([202, expect.stringMatching(/^\d+$/)]);
    expect(body).toMatchObject({
      tenant_id: id,
      status: 'pending',
      requested_at: clock.now().toISOString(),
      users_total: 4,
      users_completed: 0,
      completed_at: null,
      position: expect.stringMatching(/^\d+$/),
    });
    for (const method of ['GET', 'PATCH', 'DELETE'] as const) {
      const payload = method === 'PATCH' ? { name: 'x' } : undefined;
      expect(await said(method, `/v1/tenants/${id}`, payload)).toEqual(
        await said(method, `/v1/tenants/${UNKNOWN}`, payload),
      );
    }
    const listed = (await call('GET', '/v1/tenants?limit=100')).body;
    expect(listed.data.map((tenant: { id: string }) => tenant.id)).not.toContain(id);
    expect(listed.total).toBe(listed.data.length);
    expect(await said('GET', '/v1/users', undefined, { tenant: id })).toEqual(
      await said('GET', '/v1/users', undefined, { tenant: UNKNOWN }),
    );
    expect((await call('GET', '/v1/users', undefined, { key: own })).status).toBe(401);
    expect((await call('GET', '/v1/users', undefined, { key: own, tenant: UNKNOWN })).status).toBe(401);

    expect(await until(id, isRequested)).toMatchObject({ status: 'pending', users_completed: 0 });
    for (const user of [...users, pending]) await confirmAll(id, user);
    clock.time += 1_000;
    const done = await until(id, isCompleted);
    expect(done).toMatchObject({ users_total: 4, users_deleted: 4, users_completed: 4 });
    expect(done.completed_at).toMatch(/^2026-01-15T10:00/);
  });

  it('given a deleted tenant, then what is left of its users is for keys of its whole platform alone', async () => {
    const { id } = await newTenant();
    const user = await newUser(id);
    await call('DELETE', `/v1/tenants/${id}`);
    await until(id, isRequested);
    await confirmAll(id, user);
    for (const what of ['deletion', 'events']) {
      expect((await call('GET', `/v1/users/${user}/${what}`)).status).toBe(200);
      const missing = await said('GET', `/v1/users/${UNKNOWN}/${what}`);
      expect(missing.status).toBe(404);
      const { id: elsewhere } = await newTenant();
      const { api_key: stranger } = await service.newPlatform();
      for (const other of [await restrictedKey(elsewhere), stranger.raw_key]) {
        expect(await said('GET', `/v1/users/${user}/${what}`, undefined, { key: other })).toEqual(missing);
      }
    }
    expect((await call('GET', `/v1/users/${user}/deletion`)).body).toMatchObject({
      user_id: user,
      status: 'completed',
    });
  });

  it('given more users than are read at once, when the tenant is deleted, then each of them goes', async () => {
    const { id } = await newTenant();
    await Promise.all(Array.from({ length: 150 }, () => newUser(id)));
    await call('DELETE', `/v1/tenants/${id}`);
    expect(await until(id, isRequested)).toMatchObject({ users_total: 151 });
  });

  it('given creates under way, when the tenant is deleted, then no user is left in it', async () => {
    const { id } = await newTenant();
    const creates = Promise.all(
      Array.from({ length: 60 }, () => call('POST', '/v1/users', {}, { tenant: id })),
    );
    const [answers, { status, headers }] = await Promise.all([creates, call('DELETE', `/v1/tenants/${id}`)]);
    expect(status).toBe(202);
    const end = Number(headers['tenantry-position']);
    for (const answer of answers) {
      if (answer.status === 201) expect(Number(answer.headers['tenantry-position'])).toBeLessThan(end);
    }
    const statuses = answers.map((answer) => answer.status);
    expect(statuses.filter((code) => code !== 201 && code !== 404)).toEqual([]);
    const { users_total } = await until(id, isRequested);
    expect(users_total).toBeGreaterThanOrEqual(1 + statuses.filter((code) => code === 201).length);
    expect((await call('POST', '/v1/users', {}, { tenant: id })).status).toBe(404);
  });

  it('given a user that another process creates later, default or not, then it is deleted too', async () => {
    const { id } = await newTenant();
    await call('DELETE', `/v1/tenants/${id}`);
    await until(id, isRequested);
    const aggregates = service.app.get(Aggregates);
    for (const isDefault of [false, true]) {
      const subjectKey = await service.app.get<SubjectKeyStore>(KEY_STORE).assign();
      const command = created(id, subjectKey, isDefault);
      const userId = newId();
      await aggregates.execute(tenantUser, userId, command, { context: context(id), expectNew: true });
      while ((await aggregates.load(tenantUser, userId)).state.lifecycle !== 'deleted') await sleep(5);
    }
    expect(await until(id, isRequested)).toMatchObject({ users_total: 3, users_deleted: 3 });
  });

  it('given the external_id of a deleted tenant, then a new tenant may have it, and one of many gets it', async () => {
    const { id } = await newTenant({ external_id: 'customer-7' });
    await call('DELETE', `/v1/tenants/${id}`);
    const create = () => call('POST', '/v1/tenants', { name: 'Globex', external_id: 'customer-7' });
    const answers = await Promise.all(Array.from({ length: 5 }, create));
    const [made, ...others] = answers.filter(({ status }) => status === 201);
    expect(others).toEqual([]);
    expect(made?.body.id).not.toBe(id);
    const refusals = answers.filter(({ status }) => status === 409);
    expect(refusals.map(({ body }) => body.existing_id)).toEqual(Array(4).fill(made?.body.id));
    expect(await newUser(made?.body.id)).toEqual(expect.any(String));
  });

  it('given the default tenant, then it cannot be deleted', async () => {
    const url = `/v1/tenants/${platform.default_tenant_id}`;
    expect(await said('DELETE', url)).toMatchObject({ status: 409, code: 'illegal_state' });
    expect((await call('GET', url)).status).toBe(200);
    expect(await said('GET', `${url}/deletion`)).toMatchObject({ status: 404, code: 'not_found' });
  });

  it('given another tenant or platform, then a deletion answers as for one that does not exist', async () => {
    const { id } = await newTenant();
    const foreign = (await service.newPlatform()).api_key.raw_key;
    const restricted = await restrictedKey((await newTenant()).id);
    const deleted = (await newTenant()).id;
    await call('DELETE', `/v1/tenants/${deleted}`);
    for (const by of [{ key: foreign }, { key: restricted }]) {
      expect(await said('DELETE', `/v1/tenants/${id}`, undefined, by)).toEqual(
        await said('DELETE', `/v1/tenants/${UNKNOWN}`, undefined, by),
      );
      expect(await said('GET', `/v1/tenants/${deleted}/deletion`, undefined, by)).toEqual(
        await said('GET', `/v1/tenants/${UNKNOWN}/deletion`, undefined, by),
      );
    }
    expect((await call('GET', `/v1/tenants/${id}`)).status).toBe(200);
  });

  it('given a key that was issued while its tenant was being deleted, then it is refused', async () => {
    const { id: tenantId } = await newTenant();
    const { position } = (await call('DELETE', `/v1/tenants/${tenantId}`)).body;
    const wanted = {
      platformId: platform.id,
      name: 'Late',
      scopes: ['admin' as const],
      tenantId,
      expiresAt: null,
    };
    const issue = new IssuePlatformKey(wanted, context(tenantId));
    const late = await service.app.get(CommandBus).execute(issue);
    expect(Number(late.position)).toBeGreaterThan(Number(position));
    await service.app.get(ReadModels).catchUp(10_000);
    for (const tenant of [undefined, tenantId, platform.default_tenant_id]) {
      const by = { key: late.rawKey, ...(tenant !== undefined && { tenant }) };
      expect((await call('GET', '/v1/users', undefined, by)).status).toBe(401);
    }
  });

  it('given its own key, then a tenant may delete itself', async () => {
    const { id } = await newTenant();
    const own = await restrictedKey(id);
    expect((await call('DELETE', `/v1/tenants/${id}`, undefined, { key: own })).status).toBe(202);
    expect((await call('GET', `/v1/tenants/${id}/deletion`, undefined, { key: own })).status).toBe(401);
  });

  it.each([
    ['tenants:read', 403, 200],
    ['audit:read', 403, 200],
    ['users:write', 403, 403],
  ])('given a key with %s alone, then DELETE answers %d and the progress %d', async (scope, status, read) => {
    const { id } = await newTenant();
    const issued = await call('POST', '/v1/platform-keys', { name: 'Key', scopes: [scope] });
    const by = { key: issued.body.raw_key };
    expect((await call('DELETE', `/v1/tenants/${id}`, undefined, by)).status).toBe(status);
    await call('DELETE', `/v1/tenants/${id}`);
    expect((await call('GET', `/v1/tenants/${id}/deletion`, undefined, by)).status).toBe(read);
  });

  it('given a stop halfway, when the service starts again, then the users left are deleted', async () => {
    const { id } = await newTenant();
    await Promise.all(Array.from({ length: 200 }, () => newUser(id)));
    await call('DELETE', `/v1/tenants/${id}`);
    await service.close();
    service = await openService(PARTS, service.dataDir);
    expect(await until(id, isRequested)).toMatchObject({ users_total: 201 });
  });

  it('given all of that, when the read model is rebuilt, then no row differs', async () => {
    const readModels = service.app.get(ReadModels);
    for (const name of ['tenant-deletions', 'access']) {
      await readModels.rebuild(name, true);
      while (readModels.rebuildStatus(name).state === 'running') await sleep(5);
      expect(readModels.rebuildStatus(name)).toMatchObject({ state: 'completed', differences: 0 });
    }
  });
});
