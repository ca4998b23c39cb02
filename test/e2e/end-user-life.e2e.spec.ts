// The life of an end-user as a public API's documentation tells it, in our paths.
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Service } from '#testing';
import {
  completedDeletion,
  createUser,
  expectProblem,
  expectStatus,
  type IssuedKey,
  issueKey,
  type Page,
  start,
  type User,
  verifyKey,
} from './support.js';

describe("an end-user's life", () => {
  let service: Service;
  let jane: User;
  let key: IssuedKey;

  beforeAll(async () => {
    service = await start();
    await Promise.all(
      ['user-1', 'user-12', 'USER-123'].map((external_id) => createUser(service, { external_id })),
    );
    jane = await createUser(service, {
      external_id: 'user-123',
      label: 'Jane Smith',
      metadata: { plan: 'pro', seats: { used: 3 } },
    });
    const body = { name: 'Default key', scopes: ['inference'] };
    key = (await service.request<IssuedKey>('POST', `/v1/users/${jane.id}/keys`, { body })).body;
  });

  it('given a key with a scope, when it is verified, then the scope must be one of its', async () => {
    const verify = (scope: string) =>
      service.request('POST', '/v1/keys/verify', { body: { key: key.raw_key, scope } });
    expect((await verify('inference')).body).toMatchObject({ valid: true, scopes: ['inference'] });
    expect((await verify('training')).body).toEqual({ valid: false, code: 'insufficient_scope' });
  });

  it('given several users, when looked up by external_id, then finds exactly the one', async () => {
    const { body } = await service.request<Page<User>>('GET', '/v1/users?external_id=user-123');
    expect(body).toEqual({ data: [jane], next_cursor: null, total: 1 });
    const none = await service.request('GET', '/v1/users?external_id=user-1234');
    expect(none.body).toEqual({ data: [], next_cursor: null, total: 0 });
  });

  it('given metadata, when it is patched, then it is replaced as a whole', async () => {
    const body = { label: 'Jane D. Smith', metadata: { plan: 'enterprise' } };
    const patched = await service.request<User>('PATCH', `/v1/users/${jane.id}`, { body });
    expect(expectStatus(patched, 200).body).toMatchObject(body);
    expect((await service.request<User>('GET', `/v1/users/${jane.id}`)).body.metadata).toEqual({
      plan: 'enterprise',
    });
  });

  it.each(['suspended', 'inactive', 'archived'])(
    'given %s, then keys do not verify and nothing is spent until active again',
    async (status) => {
      const path = `/v1/users/${jane.id}`;
      const budget = { body: { limit_usd: '10.00', period: 'monthly' } };
      expectStatus(await service.request('PUT', `${path}/budget`, budget), 200);
      const spend = () => service.request('POST', `${path}/budget/spend`, { body: { amount_usd: '0.50' } });
      const patch = (to: string) => service.request('PATCH', path, { body: { status: to } });

      expectStatus(await patch(status), 200);
      expect(await verifyKey(service, key.raw_key)).toEqual({ valid: false, code: 'user_inactive' });
      expectProblem(await spend(), { status: 409, code: 'illegal_state' });

      expectStatus(await patch('active'), 200);
      expect(await verifyKey(service, key.raw_key)).toMatchObject({ valid: true });
      expectStatus(await spend(), 201);
    },
  );

  it('given 25 spends of 1.00 at once on 10.00, then exactly ten succeed and the ledger adds up', async () => {
    const user = await createUser(service);
    const path = `/v1/users/${user.id}/budget`;
    await service.request('PUT', path, { body: { limit_usd: '10.00', period: 'none' } });
    const answers = await Promise.all(
      Array.from({ length: 25 }, () =>
        service.request('POST', `${path}/spend`, { body: { amount_usd: '1.00' } }),
      ),
    );
    const refused = answers.filter(({ status }) => status !== 201);
    expect(refused).toHaveLength(15);
    for (const answer of refused) expectProblem(answer, { status: 409, code: 'over_budget' });
    expect((await service.request('GET', path)).body).toMatchObject({
      spent_usd: '10.00',
      remaining_usd: '0.00',
    });
    type Row = { type: string; amount_usd: string; balance_usd: string };
    const { body } = await service.request<Page<Row>>('GET', `${path}/transactions?limit=100`);
    expect(body.data.map(({ type }) => type)).toEqual([...Array(10).fill('spend'), 'opening']);
    expect(body.data.reduce((sum, { amount_usd }) => sum + Number(amount_usd), 0)).toBe(0);
    expect(body.data[0]?.balance_usd).toBe('0.00');
  });

  it('given two keys, when one is revoked, then it is revoked at once and the other still verifies', async () => {
    const other = await issueKey(service, jane.id);
    const revoked = await service.request('DELETE', `/v1/users/${jane.id}/keys/${other.id}`);
    expect(expectStatus(revoked, 204).text).toBe('');
    expect(await verifyKey(service, other.raw_key)).toEqual({ valid: false, code: 'revoked' });
    expect(await verifyKey(service, key.raw_key)).toMatchObject({ valid: true });
  });

  it('given a key that expires, when the time has come, then it is expired', async () => {
    const expires_at = new Date(Date.now() + 400).toISOString();
    const path = `/v1/users/${jane.id}/keys`;
    const { body } = await service.request<IssuedKey>('POST', path, { body: { expires_at } });
    expect(await verifyKey(service, body.raw_key)).toMatchObject({ valid: true });
    await new Promise((resolve) => setTimeout(resolve, 450));
    expect(await verifyKey(service, body.raw_key)).toEqual({ valid: false, code: 'expired' });
  });

  it('given a secret, when it is deleted, then it is not found and the others stay', async () => {
    const path = `/v1/users/${jane.id}/vault`;
    for (const name of ['one', 'two']) {
      expectStatus(await service.request('PUT', `${path}/${name}`, { body: { value: name } }), 204);
    }
    expectStatus(await service.request('DELETE', `${path}/one`), 204);
    expectProblem(await service.request('GET', `${path}/one`), { status: 404, code: 'not_found' });
    expect((await service.request('GET', `${path}/two`)).body).toMatchObject({ value: 'two' });
  });

  it('given keys, a budget and secrets, when she is deleted, then all of it goes with her', async () => {
    expectStatus(await service.request('DELETE', `/v1/users/${jane.id}`), 202);
    expect(await verifyKey(service, key.raw_key)).toMatchObject({ valid: false });
    const { participants } = await completedDeletion(service, jane.id);
    expect(Object.fromEntries(participants.map(({ name, removed }) => [name, removed]))).toEqual({
      keys: { keys: 1 },
      budgets: { budgets: 1 },
      connections: { connections: 0 },
      vault: { secrets: 1 },
    });
    for (const [method, rest, body] of [
      ['POST', 'keys', {}],
      ['PUT', 'budget', { limit_usd: 1, period: 'none' }],
      ['POST', 'budget/spend', { amount_usd: 1 }],
      ['PUT', 'vault/two', { value: 'again' }],
    ] as const) {
      const answer = await service.request(method, `/v1/users/${jane.id}/${rest}`, { body });
      expectProblem(answer, { status: 404, code: 'not_found' });
    }
  });
});
