import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Service } from '#testing';
import {
  completedDeletion,
  type Deletion,
  expectProblem,
  expectStatus,
  type IssuedKey,
  type Page,
  start,
  TIME,
  type User,
  UUID,
  verifyKey,
} from './support.js';

const ALICE = { external_id: 'alice_db_uuid', email: 'alice@example.com', label: 'Alice' };

describe('Alice from the first request to the receipt', () => {
  let service: Service;
  let alice: User;
  let key: IssuedKey;
  const path = (rest = ''): string => `/v1/users/${alice.id}${rest}`;

  beforeAll(async () => {
    service = await start();
  });

  it('given a new external_id, when she is created, then answers 201 with all of her', async () => {
    const created = await service.request<User>('POST', '/v1/users', { body: ALICE });
    alice = expectStatus(created, 201).body;
    expect(alice).toEqual({
      ...ALICE,
      id: expect.stringMatching(UUID),
      tenant_id: expect.stringMatching(UUID),
      account_kit_id: expect.stringMatching(UUID),
      email_verified: false,
      username: null,
      first_name: null,
      middle_name: null,
      last_name: null,
      phone_number: null,
      phone_verified: false,
      role: 'member',
      teams: [],
      status: 'active',
      metadata: {},
      is_default: false,
      onboarded: false,
      last_seen_at: null,
      revision: 0,
      created_at: expect.stringMatching(TIME),
      updated_at: alice.created_at,
    });
    expect(created.headers.get('location')).toBe(`/v1/users/${alice.id}`);
    expect(created.headers.get('etag')).toBe('"0"');
    expect(alice.id[14]).toBe('7');
  });

  it('given her, when the same external_id comes again, then answers duplicate_record with her id', async () => {
    const again = await service.request('POST', '/v1/users', { body: ALICE });
    const problem = expectProblem(again, { status: 409, code: 'duplicate_record', field: 'external_id' });
    expect(problem.existing_id).toBe(alice.id);
  });

  it('given her, when users are listed, then finds her before the default user', async () => {
    const { body } = await service.request<Page<User>>('GET', '/v1/users');
    expect(body).toMatchObject({ total: 2, next_cursor: null });
    expect(body.data[0]).toEqual(alice);
    expect(body.data[1]).toMatchObject({ is_default: true });
  });

  it('given her, when she is patched, then only what is given changes', async () => {
    const patched = await service.request<User>('PATCH', path(), { body: { label: 'Alice A.' } });
    const updated_at = patched.body.updated_at;
    expect(expectStatus(patched, 200).body).toEqual({ ...alice, label: 'Alice A.', revision: 1, updated_at });
    expect(patched.headers.get('etag')).toBe('"1"');
    expect((await service.request('GET', path())).body).toEqual(patched.body);
  });

  it('given her, when a key is issued, then shows raw_key once and it verifies', async () => {
    const issued = await service.request<IssuedKey>('POST', path('/keys'), { body: { name: 'laptop' } });
    key = expectStatus(issued, 201).body;
    const { raw_key, ...shown } = key;
    expect(raw_key).toMatch(/^tnt_user_[0-9A-Za-z]{33}$/);
    expect(raw_key.startsWith(key.key_prefix)).toBe(true);
    expect(shown).toMatchObject({ user_id: alice.id, name: 'laptop', status: 'active', last_used_at: null });
    const listed = await service.request('GET', path('/keys'));
    expect(listed.body).toEqual({ data: [shown], next_cursor: null, total: 1 });
    expect(await verifyKey(service, raw_key)).toEqual({
      valid: true,
      key_id: key.id,
      user_id: alice.id,
      tenant_id: alice.tenant_id,
      scopes: [],
    });
  });

  it('given a budget of 25.00, when 1.25 is spent, then 23.75 is left', async () => {
    const body = { limit_usd: '25.00', period: 'monthly' };
    expectStatus(await service.request('PUT', path('/budget'), { body }), 200);
    const spend = { amount_usd: '1.25', description: 'summary of a report' };
    const spent = await service.request('POST', path('/budget/spend'), { body: spend });
    expect(expectStatus(spent, 201).body).toMatchObject({
      type: 'spend',
      balance_usd: '23.75',
      description: spend.description,
    });
    expect((await service.request('GET', path('/budget'))).body).toMatchObject({
      user_id: alice.id,
      limit_usd: '25.00',
      spent_usd: '1.25',
      held_usd: '0.00',
      remaining_usd: '23.75',
    });
  });

  it('given a secret put, when it is read, then has the value, and the list has only names', async () => {
    const put = await service.request('PUT', path('/vault/openai_key'), { body: { value: 'sk-alice' } });
    expect(expectStatus(put, 204).text).toBe('');
    const { body } = await service.request('GET', path('/vault/openai_key'));
    expect(body).toEqual({ name: 'openai_key', value: 'sk-alice', updated_at: expect.stringMatching(TIME) });
    const listed = await service.request('GET', path('/vault'));
    expect(listed.text).toContain('openai_key');
    expect(listed.text).not.toContain('sk-alice');
  });

  it('given all that, when she is deleted, then answers 202 and she is gone at once', async () => {
    const deleted = await service.request<Deletion>('DELETE', path());
    expect(expectStatus(deleted, 202).body).toMatchObject({ user_id: alice.id });
    expectProblem(await service.request('GET', path()), { status: 404, code: 'not_found' });
    expect(await verifyKey(service, key.raw_key)).toMatchObject({ valid: false });
    expect((await service.request<Page<User>>('GET', '/v1/users')).body.total).toBe(1);
  });

  it('given the deletion, then it completes and names what each let go of', async () => {
    const receipt = await completedDeletion(service, alice.id);
    const participants = receipt.participants.map(({ confirmed_at: _, ...rest }) => rest);
    expect(participants.sort((one, other) => one.name.localeCompare(other.name))).toEqual([
      { name: 'budgets', status: 'confirmed', removed: { budgets: 1 } },
      { name: 'connections', status: 'confirmed', removed: { connections: 0 } },
      { name: 'keys', status: 'confirmed', removed: { keys: 1 } },
      { name: 'vault', status: 'confirmed', removed: { secrets: 1 } },
    ]);
    for (const { confirmed_at } of receipt.participants) expect(confirmed_at).toMatch(TIME);
    expect(receipt.personal_data_key_destroyed_at).toMatch(TIME);
    expect(receipt.position).toMatch(/^\d+$/);
    expect(Date.parse(String(receipt.completed_at))).toBeGreaterThanOrEqual(Date.parse(receipt.requested_at));
    expect(await verifyKey(service, key.raw_key)).toMatchObject({ valid: false });
  });

  it.each(['/keys', '/budget', '/budget/transactions', '/vault', '/vault/openai_key'])(
    'given she is gone, when %s is read, then answers 404',
    async (rest) => {
      expectProblem(await service.request('GET', path(rest)), { status: 404, code: 'not_found' });
    },
  );
});
