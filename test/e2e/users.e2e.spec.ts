// The requests of a public users API as its documentation shows them, in our paths.
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Service } from '#testing';
import {
  createPlatform,
  createUser,
  expectProblem,
  expectStatus,
  MISSING_ID,
  type Page,
  start,
  type User,
  walk,
} from './support.js';

describe('users', () => {
  let service: Service;

  beforeAll(async () => {
    service = await start();
  });

  it('given no account_kit_id, when a user is created, then the default kit governs it', async () => {
    const [user, { body: byDefault }] = await Promise.all([
      createUser(service, { external_id: 'kit-1', email: 'kit@example.com', label: 'Kit' }),
      service.request<User>('GET', '/v1/users/default'),
    ]);
    expect(user.account_kit_id).toBe(byDefault.account_kit_id);
    const patch = { body: { account_kit_id: user.account_kit_id } };
    const patched = await service.request<User>('PATCH', `/v1/users/${user.id}`, patch);
    expect(expectStatus(patched, 200).body).toEqual(user);
  });

  it('given a create and a later change, then each is answered as the user is read', async () => {
    const read = async (id: string) => (await service.request<User>('GET', `/v1/users/${id}`)).body;
    const body = { external_id: 'read-1', teams: ['red'], metadata: { deep: [{ a: null }] } };
    const user = await createUser(service, body);
    expect(await read(user.id)).toEqual(user);
    await sleep(5);
    const patch = { body: { metadata: { b: 2 }, status: 'suspended' } };
    const { body: changed } = await service.request<User>('PATCH', `/v1/users/${user.id}`, patch);
    expect(changed.created_at).toBe(user.created_at);
    expect(changed.updated_at > user.updated_at).toBe(true);
    expect(await read(user.id)).toEqual(changed);
  });

  it('given nothing at all, when a user is created, then it has an id of version 7', async () => {
    const user = await createUser(service);
    expect(user).toMatchObject({ external_id: null, email: null, label: null, metadata: {} });
    expect(user.id[14]).toBe('7');
  });

  it('given a kit of nobody, when a user is created with it, then invalid_input names the field', async () => {
    const body = { account_kit_id: MISSING_ID };
    const refused = { status: 400, code: 'invalid_input', field: 'account_kit_id' };
    expectProblem(await service.request('POST', '/v1/users', { body }), refused);
    const foreign = await createPlatform(service, 'Kits');
    const theirs = { body: { account_kit_id: foreign.default_account_kit_id } };
    expectProblem(await service.request('POST', '/v1/users', theirs), refused);
  });

  it('given a user that is not there, when it is read, changed or deleted, then answers not_found', async () => {
    const path = `/v1/users/${MISSING_ID}`;
    const refused = { status: 404, code: 'not_found' };
    expectProblem(await service.request('GET', path), refused);
    expectProblem(await service.request('PATCH', path, { body: { label: 'x' } }), refused);
    expectProblem(await service.request('DELETE', path), refused);
    expectProblem(await service.request('GET', `${path}/deletion`), refused);
  });

  it('given an id in upper case, when the user is read, then finds it', async () => {
    const user = await createUser(service);
    expect((await service.request('GET', `/v1/users/${user.id.toUpperCase()}`)).body).toEqual(user);
  });

  it('given 25 users, when they are walked ten at a time, then each comes once, newest first', async () => {
    const made: User[] = [];
    for (let number = 0; number < 25; number++) made.push(await createUser(service, { label: `n${number}` }));
    const seen: User[] = [];
    let comers = 0;
    let path = '/v1/users?limit=10';
    while (seen.length < 25) {
      const { body } = await service.request<Page<User>>('GET', path);
      expect(body.data.length).toBe(Math.min(10, body.total - seen.length - comers));
      seen.push(...body.data);
      // What comes in between does not shift the pages.
      await createUser(service);
      comers += 1;
      path = `/v1/users?limit=10&cursor=${body.next_cursor}`;
    }
    expect(seen.slice(0, 25)).toEqual(made.reverse());
  });

  it('given users, when the whole list is walked, then total counts them on every page', async () => {
    const { rows, totals } = await walk<User>(service, '/v1/users');
    expect(new Set(totals)).toEqual(new Set([rows.length]));
    expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
  });

  it('given fields, when they are patched with null, then they are cleared and the others stay', async () => {
    const user = await createUser(service, {
      external_id: 'null-1',
      email: 'null@example.com',
      first_name: 'Nell',
      phone_number: '+41446681800',
      teams: ['one', 'two'],
    });
    const body = { email: null, phone_number: null, teams: [] };
    const { body: patched } = await service.request<User>('PATCH', `/v1/users/${user.id}`, { body });
    const { revision, updated_at } = patched;
    expect(patched).toEqual({ ...user, ...body, revision, updated_at });
    expect(revision).toBe(1);
  });

  it('given a user, when external_id is patched, then the field is refused', async () => {
    const user = await createUser(service, { external_id: 'fixed-1' });
    const answer = await service.request('PATCH', `/v1/users/${user.id}`, { body: { external_id: 'other' } });
    expectProblem(answer, { status: 400, code: 'invalid_input', field: 'external_id' });
  });
});

describe('the default user', () => {
  let service: Service;
  let user: User;

  beforeAll(async () => {
    service = await start();
    user = expectStatus(await service.request<User>('GET', '/v1/users/default'), 200).body;
  });

  it('given the first start, then it is there and is the default', async () => {
    expect(user).toMatchObject({ is_default: true, status: 'active', external_id: null });
    expect((await service.request('GET', `/v1/users/${user.id}`)).body).toEqual(user);
  });

  it.each(['default', 'its id'])('when it is deleted by %s, then answers illegal_state', async (name) => {
    const path = `/v1/users/${name === 'default' ? name : user.id}`;
    expectProblem(await service.request('DELETE', path), { status: 409, code: 'illegal_state' });
    expect((await service.request('GET', '/v1/users/default')).body).toEqual(user);
  });

  it('when it is given a key, a budget and a secret by the name default, then has them by its id', async () => {
    const key = await service.request('POST', '/v1/users/default/keys', { body: {} });
    expect(expectStatus(key, 201).body).toMatchObject({ user_id: user.id });
    const budget = { body: { limit_usd: 5, period: 'none' } };
    expectStatus(await service.request('PUT', '/v1/users/default/budget', budget), 200);
    const mine = await service.request('GET', `/v1/users/${user.id}/budget`);
    expect(mine.body).toMatchObject({ remaining_usd: '5.00' });
    const secret = { body: { value: 's3cret' } };
    expectStatus(await service.request('PUT', '/v1/users/default/vault/name', secret), 204);
    const read = await service.request('GET', `/v1/users/${user.id}/vault/name`);
    expect(read.body).toMatchObject({ value: 's3cret' });
  });

  it('when it is patched, then takes the changes', async () => {
    const { body } = await service.request('PATCH', '/v1/users/default', { body: { label: 'Me' } });
    expect(body).toMatchObject({ id: user.id, label: 'Me', is_default: true });
  });
});
