import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Service } from '#testing';
import {
  createUser,
  expectProblem,
  expectStatus,
  FAR_POSITION,
  inParallel,
  isSplit,
  issueKey,
  numbers,
  start,
  type User,
} from './support.js';

let service: Service;

beforeAll(async () => {
  service = await start();
});

describe('ETag and If-Match', () => {
  let user: User;
  const path = () => `/v1/users/${user.id}`;
  const patch = (label: string, match: string) =>
    service.request<User>('PATCH', path(), { body: { label }, headers: { 'if-match': match } });

  beforeAll(async () => {
    user = await createUser(service, { label: 'zero' });
  });

  it('given the current revision, when patched with it, then changes and answers the next', async () => {
    const read = await service.request('GET', path());
    expect(read.headers.get('etag')).toBe('"0"');
    const patched = expectStatus(await patch('one', '"0"'), 200);
    expect([patched.body.revision, patched.headers.get('etag')]).toEqual([1, '"1"']);
  });

  it.each(['"0"', '"2"', '"999999999999999"'])('given %s, which is not current, then 412', async (match) => {
    expectProblem(await patch('other', match), { status: 412, code: 'revision_mismatch' });
    const headers = { 'if-match': match };
    const deleted = await service.request('DELETE', path(), { headers });
    expectProblem(deleted, { status: 412, code: 'revision_mismatch' });
    expect((await service.request<User>('GET', path())).body).toMatchObject({ label: 'one', revision: 1 });
  });

  it('given 20 patches at once on one revision, then one wins and 19 are refused', async () => {
    const answers = await Promise.all(numbers(20).map((number) => patch(`try ${number}`, '"1"')));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 412)).toHaveLength(19);
    expect((await service.request<User>('GET', path())).body.revision).toBe(2);
  });

  it('given *, or the same values again, then takes it, the latter without a new revision', async () => {
    const { body } = await patch('star', '*');
    expect(body).toMatchObject({ label: 'star', revision: 3 });
    expect((await patch('star', '"3"')).body).toEqual(body);
  });

  it('given the current revision, when deleted with it, then is gone', async () => {
    const headers = { 'if-match': '"3"' };
    expectStatus(await service.request('DELETE', path(), { headers }), 202);
    expectProblem(await service.request('GET', path()), { status: 404, code: 'not_found' });
  });

  it('given the user is gone, when patched or deleted with any revision, then 404', async () => {
    for (const match of ['"3"', '"4"', '"99"']) {
      expectProblem(await patch('late', match), { status: 404, code: 'not_found' });
      const deleted = await service.request('DELETE', path(), { headers: { 'if-match': match } });
      expectProblem(deleted, { status: 404, code: 'not_found' });
    }
  });
});

describe('a method that a path does not take', () => {
  it('given a body that cannot be read either, then 405 is the one answer, and the service goes on', async () => {
    for (const body of ['{', new Uint8Array([0xff]), 'x'.repeat(300_000)]) {
      const answer = await service.request('PUT', '/v1/users', { body });
      expectProblem(answer, { status: 405, code: 'method_not_allowed' });
    }
    expectStatus(await service.request('GET', '/v1/users'), 200);
  });
});

describe('positions', () => {
  it('given each kind of write, then answers its position, and they grow', async () => {
    const positions: bigint[] = [];
    const write = async (method: string, path: string, body?: object): Promise<{ id: string }> => {
      const answer = await service.request<{ id: string }>(method, path, { ...(body && { body }) });
      expect(answer.status).toBeLessThan(300);
      expect(answer.headers.get('tenantry-position')).toMatch(/^\d+$/);
      positions.push(BigInt(answer.headers.get('tenantry-position') ?? 0));
      return answer.body;
    };
    const { id } = await write('POST', '/v1/users', { label: 'x' });
    await write('PATCH', `/v1/users/${id}`, { label: 'y' });
    const key = await write('POST', `/v1/users/${id}/keys`, {});
    await write('PUT', `/v1/users/${id}/budget`, { limit_usd: 2, period: 'none' });
    await write('POST', `/v1/users/${id}/budget/spend`, { amount_usd: 1 });
    await write('PUT', `/v1/users/${id}/vault/name`, { value: 'v' });
    await write('DELETE', `/v1/users/${id}/vault/name`);
    await write('DELETE', `/v1/users/${id}/keys/${key.id}`);
    await write('DELETE', `/v1/users/${id}`);
    // Services with logs of their own have positions of their own, which leave another remainder each.
    for (const ofOneLog of Map.groupBy(positions, (position) => isSplit && position % 8n).values()) {
      expect(ofOneLog).toEqual([...new Set(ofOneLog)].sort((one, other) => Number(one - other)));
    }
  });

  it("given a write's position, when read with it as the minimum, then sees the write", async () => {
    const created = await service.request<User>('POST', '/v1/users', { body: { label: 'seen' } });
    const headers = { 'tenantry-min-position': created.headers.get('tenantry-position') ?? '' };
    const read = await service.request('GET', `/v1/users/${created.body.id}`, { headers });
    expect(expectStatus(read, 200).body).toEqual(created.body);
  });

  it('given a position of the far future, then 503 projection_behind with Retry-After', async () => {
    const headers = { 'tenantry-min-position': FAR_POSITION };
    const answers = await Promise.all(
      ['', '/default', ...(isSplit ? [] : ['/default/keys', '/default/vault'])].map((path) =>
        service.request('GET', `/v1/users${path}`, { headers }),
      ),
    );
    for (const answer of answers) {
      expectProblem(answer, { status: 503, code: 'projection_behind' });
      expect(answer.headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
    }
  });

  it('given 100 writers, when each reads right after its write without a header, then sees it', async () => {
    await inParallel(numbers(100), 100, async (number) => {
      const user = await createUser(service, { label: `writer ${number}` });
      expect((await service.request('GET', `/v1/users/${user.id}`)).body).toEqual(user);
      const key = await issueKey(service, user.id);
      const verified = await service.request('POST', '/v1/keys/verify', { body: { key: key.raw_key } });
      expect(verified.body).toMatchObject({ valid: true, user_id: user.id });
      expectStatus(await service.request('DELETE', `/v1/users/${user.id}`), 202);
      expect((await service.request('GET', `/v1/users/${user.id}`)).status).toBe(404);
      const after = await service.request('POST', '/v1/keys/verify', { body: { key: key.raw_key } });
      expect(after.body).toMatchObject({ valid: false });
    });
  });
});

const OWN_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

describe('X-Request-Id', () => {
  const ask = async (id: string | undefined, path = '/v1/users/default') =>
    (await service.request('GET', path, { headers: { ...(id && { 'x-request-id': id }) } })).headers.get(
      'x-request-id',
    );

  it.each(['abc', 'a1b2-c3.d4:e5_f6', 'x'.repeat(128)])('given the sane %s, then echoes it', async (id) => {
    expect(await ask(id)).toBe(id);
  });

  it.each(['a b', '<script>', 'x'.repeat(129), 'é', '"', '{}', 'a,b'])(
    'given %s, then answers one of its own',
    async (id) => {
      expect(await ask(id)).toMatch(OWN_ID);
    },
  );

  it.each([
    '/v1/users/default',
    '/v1/nothing',
    '/v1/users/%E0%A4%A',
    '/health/live',
    '/metrics',
    '/openapi.json',
  ])('given none, when %s is asked for, then answers one of its own', async (path) => {
    expect(await ask(undefined, path)).toMatch(OWN_ID);
  });
});
