// Keys over their lives, as an application uses them, over HTTP.
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Service } from '#testing';
import {
  completedDeletion,
  createUser,
  eventually,
  expectProblem,
  expectStatus,
  type IssuedKey,
  inParallel,
  issueKey,
  numbers,
  type Page,
  start,
  type User,
  verifyKey,
} from './support.js';

type Listed = IssuedKey & { status: string; expires_at: string | null; last_used_at: string | null };

describe('keys', () => {
  let service: Service;
  let user: User;

  beforeAll(async () => {
    service = await start();
    user = await createUser(service, { external_id: 'keys-1' });
  });

  const keysOf = (id: string) => `/v1/users/${id}/keys`;
  const issue = async (body: object, id = user.id) =>
    expectStatus(await service.request<Listed & { scopes: string[] }>('POST', keysOf(id), { body }), 201)
      .body;
  const rotate = (keyId: string, body: object = {}) =>
    service.request<IssuedKey>('POST', `${keysOf(user.id)}/${keyId}/rotate`, { body });
  const listed = async (keyId: string) => {
    const { data } = (await service.request<Page<Listed>>('GET', `${keysOf(user.id)}?limit=100`)).body;
    return data.find(({ id }) => id === keyId);
  };
  const makeKit = async (body: object) =>
    expectStatus(await service.request<{ id: string }>('POST', '/v1/account-kits', { body }), 201).body.id;

  it('given a key, when it is rotated, then the new one holds at once and the old one no more', async () => {
    const { raw_key: oldKey, ...old } = await issue({ name: 'CI', scopes: ['deploy'] });
    const answer = expectStatus(await rotate(old.id), 201);
    expect(answer.headers.get('tenantry-position')).toMatch(/^\d+$/);
    const { raw_key: newKey, ...shown } = answer.body;
    expect(shown).toMatchObject({ name: 'CI', scopes: ['deploy'], status: 'active', expires_at: null });
    expect(await verifyKey(service, newKey)).toMatchObject({ valid: true, key_id: shown.id });
    expect(await verifyKey(service, oldKey)).toEqual({ valid: false, code: 'revoked' });
    expectProblem(await rotate(old.id), { status: 409, code: 'illegal_state' });
  });

  it('given a grace, when it is rotated, then both hold until it is over', async () => {
    const old = await issue({});
    const { raw_key } = expectStatus(await rotate(old.id, { grace_seconds: 1 }), 201).body;
    for (const key of [old.raw_key, raw_key])
      expect(await verifyKey(service, key)).toMatchObject({ valid: true });
    expectProblem(await rotate(old.id), { status: 409, code: 'illegal_state' });
    const { expires_at } = (await listed(old.id)) as Listed;
    await sleep(Date.parse(String(expires_at)) - Date.now() + 5);
    expect(await verifyKey(service, old.raw_key)).toEqual({ valid: false, code: 'revoked' });
    expect(await verifyKey(service, raw_key)).toMatchObject({ valid: true });
    expect(await listed(old.id)).toMatchObject({ status: 'revoked' });
  });

  it('given 10 rotations of one key at once, then one succeeds', async () => {
    const { id } = await issue({});
    const answers = await Promise.all(numbers(10).map(() => rotate(id, { grace_seconds: 60 })));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(9);
  });

  it('given a kit with scopes, then keys have no other, and none that the kit no longer names', async () => {
    const account_kit_id = await makeKit({ name: 'Scoped', key_scopes: ['read', 'write'] });
    const { id } = await createUser(service, { account_kit_id });
    const outside = await service.request('POST', keysOf(id), { body: { scopes: ['read', 'admin'] } });
    expectProblem(outside, { status: 400, code: 'invalid_input', field: 'scopes' });
    const key = await issue({}, id);
    expect(key.scopes).toEqual(['read', 'write']);
    const narrowed = { body: { key_scopes: ['read'] } };
    expectStatus(await service.request('PATCH', `/v1/account-kits/${account_kit_id}`, narrowed), 200);
    const verified = await service.request('POST', '/v1/keys/verify', {
      body: { key: key.raw_key, scope: 'write' },
    });
    expect(verified.body).toEqual({ valid: false, code: 'insufficient_scope' });
    expect(await verifyKey(service, key.raw_key)).toMatchObject({ valid: true, scopes: ['read'] });
    const wider = await makeKit({ name: 'Wider', key_scopes: ['write'] });
    const moved = { body: { account_kit_id: wider } };
    expectStatus(await service.request('PATCH', `/v1/users/${id}`, moved), 200);
    expect(await verifyKey(service, key.raw_key)).toMatchObject({ valid: true, scopes: ['write'] });
  });

  it('given a platform key for one tenant, when it verifies a key of another, then unknown', async () => {
    const tenant = await service.request<{ id: string }>('POST', '/v1/tenants', { body: { name: 'Other' } });
    const body = { name: 'Verifier', scopes: ['keys:verify'], tenant_id: tenant.body.id };
    const made = await service.request<{ raw_key: string }>('POST', '/v1/platform-keys', { body });
    const restricted = { key: expectStatus(made, 201).body.raw_key };
    const own = await issueKey(service, 'default', { headers: { 'x-tenant-id': tenant.body.id } });
    const other = await issueKey(service, user.id);
    expect(await verifyKey(service, own.raw_key, restricted)).toMatchObject({ valid: true });
    expect(await verifyKey(service, other.raw_key, restricted)).toEqual({ valid: false, code: 'unknown' });
  });

  it('given keys issued and rotated while their users are deleted, then none verifies', async () => {
    const rawKeys = await inParallel(numbers(25), 5, async () => {
      const { id } = await createUser(service);
      const first = await issueKey(service, id);
      const [deleted, ...answers] = await Promise.all([
        service.request('DELETE', `/v1/users/${id}`),
        service.request<IssuedKey>('POST', keysOf(id), { body: {} }),
        service.request<IssuedKey>('POST', `${keysOf(id)}/${first.id}/rotate`, {
          body: { grace_seconds: 600 },
        }),
      ]);
      expectStatus(deleted, 202);
      await completedDeletion(service, id);
      const made = answers
        .filter(({ status }) => status !== 404)
        .map((answer) => expectStatus(answer, 201).body);
      return [first, ...made].map(({ raw_key }) => raw_key);
    });
    for (const key of rawKeys.flat()) expect(await verifyKey(service, key)).toMatchObject({ valid: false });
  });

  it('given a key that was used, then its list tells when, also after SIGTERM and a start', async () => {
    const key = await issue({});
    expect((await listed(key.id))?.last_used_at).toBeNull();
    const before = new Date().toISOString();
    await verifyKey(service, key.raw_key);
    const used = await eventually(
      () => listed(key.id),
      (row) => row?.last_used_at !== null,
    );
    expect(String(used?.last_used_at) >= before).toBe(true);
    const { dataDir } = service;
    await service.stop();
    service = await start({ dataDir });
    expect((await listed(key.id))?.last_used_at).toBe(used?.last_used_at);
  });
});
