import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ReadModels } from '#platform';
import { addUser, BudgetsApp, clock, type Method, world } from '../../../test/services/budgets-app.js';

let service: BudgetsApp;
const call = (method: Method, path: string, payload?: object) => service.call(method, path, payload);

beforeAll(async () => {
  service = await BudgetsApp.start();
});

afterAll(() => service?.close());

afterEach(() => {
  world.rateLimits = {};
});

const REQUESTS = { limit: 3, windowSeconds: 60 };

const consume = (id: string, name = 'requests', cost?: number) =>
  call('POST', `${id}/rate-limits/${name}/consume`, cost === undefined ? {} : { cost });

describe("a user's rate limits", () => {
  it('given a kit with some, when overridden and taken back, then the list says whose they are', async () => {
    world.rateLimits = { tokens: { limit: 1_000, windowSeconds: 3_600 }, requests: REQUESTS };
    const id = addUser();
    const requests = { name: 'requests', limit: 3, window_seconds: 60, source: 'kit' };
    const tokens = { name: 'tokens', limit: 1_000, window_seconds: 3_600, source: 'kit' };
    const list = async () => (await call('GET', `${id}/rate-limits`)).body;
    expect(await list()).toEqual({ data: [requests, tokens], next_cursor: null, total: 2 });

    const set = await call('PUT', `${id}/rate-limits/requests`, { limit: 5, window_seconds: 10 });
    const overridden = { name: 'requests', limit: 5, window_seconds: 10, source: 'override' };
    expect(set).toMatchObject({ status: 200, body: overridden, position: expect.stringMatching(/^\d+$/) });
    await call('PUT', `${id}/rate-limits/images`, { limit: 1, window_seconds: 1 });
    const images = { name: 'images', limit: 1, window_seconds: 1, source: 'override' };
    expect((await list()).data).toEqual([images, overridden, tokens]);

    for (const name of ['images', 'requests']) {
      expect((await call('DELETE', `${id}/rate-limits/${name}`)).status).toBe(204);
    }
    expect((await list()).data).toEqual([requests, tokens]);
    expect((await call('DELETE', `${id}/rate-limits/requests`)).status).toBe(404);
  });

  it('given overrides of one user, then another user has none of them', async () => {
    const [id, other] = [addUser(), addUser()];
    await call('PUT', `${id}/rate-limits/requests`, { limit: 5, window_seconds: 10 });
    expect((await call('GET', `${other}/rate-limits`)).body).toMatchObject({ data: [], total: 0 });
    expect((await consume(other)).status).toBe(404);
  });
});

describe('consuming', () => {
  it('when there is enough, then it tells what remains and when it is whole again', async () => {
    world.rateLimits = { requests: REQUESTS };
    const id = addUser();
    expect(await consume(id)).toEqual({
      status: 200,
      position: undefined,
      body: { allowed: true, limit: 3, remaining: 2, reset_at: expect.stringMatching(/^2028-.*Z$/) },
    });
    const { body } = await consume(id, 'requests', 2);
    expect(body).toMatchObject({ allowed: true, remaining: 0 });
    expect((await consume(id)).body).toEqual({ ...body, allowed: false });
    clock.time = new Date(Date.parse(body.reset_at) - 1);
    expect((await consume(id)).body.allowed).toBe(false);
    clock.time = new Date(body.reset_at);
    expect((await consume(id, 'requests', 3)).body).toMatchObject({ allowed: true, remaining: 0 });
  });

  it('given a cost above the limit, then it is never allowed and uses nothing up', async () => {
    world.rateLimits = { requests: REQUESTS };
    const id = addUser();
    expect((await consume(id, 'requests', 4)).body).toMatchObject({ allowed: false, limit: 3, remaining: 3 });
  });

  it('when 200 ask for one of 100 at once, then exactly 100 are allowed', async () => {
    const id = addUser();
    await call('PUT', `${id}/rate-limits/burst`, { limit: 100, window_seconds: 60 });
    const answers = await Promise.all(Array.from({ length: 200 }, () => consume(id, 'burst')));
    expect(answers.filter(({ body }) => body.allowed)).toHaveLength(100);
    expect(answers.every(({ status }) => status === 200)).toBe(true);
  });

  it('given some is used, when the limit changes, then it counts on; with another window, afresh', async () => {
    world.rateLimits = { requests: REQUESTS };
    const id = addUser();
    await consume(id, 'requests', 3);
    await call('PUT', `${id}/rate-limits/requests`, { limit: 5, window_seconds: 60 });
    expect((await consume(id)).body).toMatchObject({ allowed: true, limit: 5, remaining: 1 });
    await call('PUT', `${id}/rate-limits/requests`, { limit: 5, window_seconds: 61 });
    expect((await consume(id)).body).toMatchObject({ allowed: true, limit: 5, remaining: 4 });
  });

  it.each(['suspended', 'inactive', 'archived'] as const)(
    'given a user who is %s, then it is refused',
    async (status) => {
      world.rateLimits = { requests: REQUESTS };
      const id = addUser({ status });
      expect(await consume(id)).toMatchObject({ status: 409, body: { code: 'illegal_state' } });
      expect((await call('PUT', `${id}/rate-limits/requests`, { limit: 1, window_seconds: 1 })).status).toBe(
        200,
      );
    },
  );

  it('of a limit that neither kit nor override names, then it is not found', async () => {
    const id = addUser();
    for (const name of ['nothing', 'hasOwnProperty2']) {
      expect(await consume(id, name)).toMatchObject({
        status: 404,
        body: { detail: 'rate limit not found' },
      });
    }
  });
});

describe('what rate limits refuse', () => {
  it.each([
    ['PUT', 'requests', {}, 'limit'],
    ['PUT', 'requests', { limit: 0, window_seconds: 1 }, 'limit'],
    ['PUT', 'requests', { limit: 1.5, window_seconds: 1 }, 'limit'],
    ['PUT', 'requests', { limit: '1', window_seconds: 1 }, 'limit'],
    ['PUT', 'requests', { limit: 1 }, 'window_seconds'],
    ['PUT', 'requests', { limit: 1, window_seconds: 31_536_001 }, 'window_seconds'],
    ['PUT', 'requests', { limit: 1, window_seconds: 1, name: 'x' }, 'name'],
    ['PUT', 'constructor', { limit: 1, window_seconds: 1 }, 'name'],
    ['PUT', '__proto__', { limit: 1, window_seconds: 1 }, 'name'],
    ['DELETE', 'a%20b', undefined, 'name'],
    ['POST', `${'x'.repeat(65)}/consume`, {}, 'name'],
    ['POST', 'requests/consume', { cost: 0 }, 'cost'],
    ['POST', 'requests/consume', { cost: null }, 'cost'],
    ['GET', '?page=2', undefined, 'page'],
  ] as const)('%s %s %j: names %s', async (method, path, payload, field) => {
    const id = addUser();
    const { status, body } = await call(
      method,
      `${id}/rate-limits${path.startsWith('?') ? '' : '/'}${path}`,
      payload,
    );
    expect({ status, code: body.code, field: body.errors?.[0].field }).toEqual({
      status: 400,
      code: 'invalid_input',
      field,
    });
  });
});

describe('the end of rate limits', () => {
  it('when the user is deleted, then they are gone and can never be set again', async () => {
    const id = addUser();
    await call('PUT', `${id}/rate-limits/requests`, { limit: 5, window_seconds: 60 });
    expect((await service.deleteUser(id)).data).toMatchObject({ removed: { budgets: 0 } });
    await service.app.get(ReadModels).catchUp(5_000);
    expect((await call('GET', `${id}/rate-limits`)).body).toMatchObject({ total: 0 });
    expect((await consume(id)).status).toBe(404);
    const late = await call('PUT', `${id}/rate-limits/requests`, { limit: 5, window_seconds: 60 });
    expect(late).toMatchObject({ status: 404, body: { detail: 'user not found' } });
    world.users.delete(id);
    for (const [method, path, payload] of [
      ['GET', 'rate-limits', undefined],
      ['PUT', 'rate-limits/requests', { limit: 5, window_seconds: 60 }],
      ['DELETE', 'rate-limits/requests', undefined],
      ['POST', 'rate-limits/requests/consume', {}],
    ] as const) {
      expect(await call(method, `${id}/${path}`, payload)).toMatchObject({
        status: 404,
        body: { detail: 'user not found' },
      });
    }
  });
});
