import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Service } from '#testing';
import { createUser, expectProblem, expectStatus, numbers, type Page, start, type User } from './support.js';

describe('the uniqueness of external_id', () => {
  let service: Service;
  const create = (external_id: string) =>
    service.request<User & { existing_id: string }>('POST', '/v1/users', { body: { external_id } });
  const find = async (external_id: string) =>
    (await service.request<Page<User>>('GET', `/v1/users?external_id=${external_id}`)).body;

  beforeAll(async () => {
    service = await start();
  });

  it('given 1,000 creates at once with one external_id, then one is 201 and 999 are 409 with its id', async () => {
    const answers = await Promise.all(numbers(1_000).map(() => create('alice_db_uuid')));
    const [created, ...others] = answers.filter(({ status }) => status === 201);
    expect(others).toEqual([]);
    const refused = answers.filter(({ status }) => status === 409);
    expect(refused).toHaveLength(999);
    for (const answer of refused) {
      const problem = expectProblem(answer, { status: 409, code: 'duplicate_record', field: 'external_id' });
      expect(problem.existing_id).toBe(created?.body.id);
    }
    expect(await find('alice_db_uuid')).toMatchObject({ total: 1, data: [{ id: created?.body.id }] });
  });

  it('given creates at once with 100 external_ids, ten times each, then 100 users', async () => {
    const answers = await Promise.all(numbers(1_000).map((number) => create(`many-${number % 100}`)));
    const created = answers.filter(({ status }) => status === 201).map(({ body }) => body.external_id);
    expect(created.sort()).toEqual(
      numbers(100)
        .map((number) => `many-${number}`)
        .sort(),
    );
  });

  it('given a deleted user, when its external_id comes again, then a new user each of 20 times', async () => {
    const ids = new Set<string>();
    for (let round = 0; round < 20; round++) {
      const user = await createUser(service, { external_id: 'phoenix', label: `round ${round}` });
      expect((await create('phoenix')).body).toMatchObject({ existing_id: user.id });
      expect(await find('phoenix')).toMatchObject({ total: 1, data: [user] });
      ids.add(user.id);
      expectStatus(await service.request('DELETE', `/v1/users/${user.id}`), 202);
      expect(await find('phoenix')).toMatchObject({ total: 0, data: [] });
    }
    expect(ids.size).toBe(20);
  });

  it('given creates and deletes of one external_id at once, then there is never more than one user', async () => {
    const all = await Promise.all(
      numbers(60).map(async () => {
        const { status, body } = await create('contested');
        const id = status === 201 ? body.id : body.existing_id;
        const deleted = await service.request('DELETE', `/v1/users/${id}`);
        return { status, id, deleted: deleted.status };
      }),
    );
    const made = all.filter(({ status }) => status === 201).map(({ id }) => id);
    const ended = all.filter(({ deleted }) => deleted === 202).map(({ id }) => id);
    expect(new Set(made).size).toBe(made.length);
    expect(ended.sort()).toEqual(made.sort());
    expect((await find('contested')).total).toBe(0);
  });

  it('given external_ids that differ in a trifle, then they are different users', async () => {
    const texts = ['a', 'A', 'a ', ' a', 'á', 'a\u0301', 'a/b', 'a%2Fb', '/', 'default', 'null', '😀'];
    const users = await Promise.all(texts.map((external_id) => createUser(service, { external_id })));
    expect(new Set(users.map(({ id }) => id)).size).toBe(texts.length);
    for (const [index, text] of texts.entries()) {
      expect(await find(encodeURIComponent(text))).toMatchObject({ total: 1, data: [users[index]] });
    }
  });
});
