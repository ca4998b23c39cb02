import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Service } from '#testing';
import { changeReadModels } from './read-database.js';
import {
  createUser,
  eventually,
  expectProblem,
  expectStatus,
  inParallel,
  numbers,
  type Page,
  start,
  type User,
  walk,
} from './support.js';

interface RebuildState {
  state: string;
  events_done: number;
  events_total: number;
  events_per_second: number;
  differences?: number;
}

const PATH = '/v1/projections/user-directory/rebuild';

/** However busy the machine is: what is tested here is what is read, not how soon. */
const PATIENCE_MS = 50_000;
const ROUNDS = 12;

describe('a rebuild of user-directory', () => {
  let service: Service;
  /** What the answers to the writes say there is. */
  const model = new Map<string, User>();

  const rebuild = async (body: object = {}): Promise<RebuildState> => {
    const key = service.rootKey;
    expectStatus(await service.request('POST', PATH, { key, body }), 202);
    const ask = () => service.request<RebuildState>('GET', PATH, { key });
    const done = await eventually(ask, (answer) => answer.body.state !== 'running', PATIENCE_MS);
    expect(done.body).toMatchObject({ state: 'completed' });
    return done.body;
  };
  const patch = async (user: User, body: object): Promise<void> => {
    const patched = await service.request<User>('PATCH', `/v1/users/${user.id}`, { body });
    model.set(user.id, expectStatus(patched, 200).body);
  };
  const remove = async (user: User): Promise<void> => {
    expectStatus(await service.request('DELETE', `/v1/users/${user.id}`), 202);
    model.delete(user.id);
  };
  const add = async (name: string): Promise<User> => {
    const body = { external_id: name, label: name, metadata: { name } };
    const user = await createUser(service, body);
    model.set(user.id, user);
    return user;
  };
  const byId = (users: Iterable<User>) => Object.fromEntries([...users].map((user) => [user.id, user]));
  const expectTheModel = async (): Promise<void> => {
    const { rows, totals } = await walk<User>(service, '/v1/users');
    expect(byId(rows)).toEqual(byId(model.values()));
    expect(rows).toHaveLength(model.size);
    expect(new Set(totals)).toEqual(new Set([model.size]));
  };

  beforeAll(async () => {
    service = await start({ env: { TENANTRY_READ_YOUR_WRITES_TIMEOUT_MS: String(PATIENCE_MS) } });
    const byDefault = (await service.request<User>('GET', '/v1/users/default')).body;
    model.set(byDefault.id, byDefault);
    const users = await inParallel(numbers(300), 16, (number) => add(`early-${number}`));
    await inParallel(users.slice(0, 60), 16, (user) => patch(user, { label: 'changed', metadata: {} }));
    await inParallel(users.slice(40, 80), 16, remove);
  });

  const amidTraffic = async () => {
    const seen = { reads: 0, writes: 0 };
    let over = false;
    const reads = async (): Promise<void> => {
      const steady = [...model.values()].slice(100, 110);
      while (!over) {
        const user = steady[seen.reads % steady.length] as User;
        expect((await service.request('GET', `/v1/users/${user.id}`)).body).toEqual(user);
        const path = `/v1/users?external_id=${user.external_id ?? ''}`;
        const { body } = await service.request<Page<User>>('GET', path);
        expect(body).toMatchObject({ total: 1, data: [{ id: user.id }] });
        const list = expectStatus(await service.request<Page<User>>('GET', '/v1/users?limit=100'), 200);
        expect(list.body.data).toHaveLength(100);
        seen.reads += 1;
      }
    };
    const writes = async (lane: number): Promise<void> => {
      for (let number = 0; !over; number++) {
        const user = await add(`late-${lane}-${number}`);
        expect((await service.request('GET', `/v1/users/${user.id}`)).body).toEqual(user);
        if (number % 3 === 1) await patch(user, { label: 'changed while it was rebuilt' });
        if (number % 3 === 2) await remove(user);
        seen.writes += 1;
      }
    };
    const traffic = [reads(), reads(), ...numbers(12).map(writes)];
    for (let round = 0; round < ROUNDS; round++) {
      const before = { ...seen };
      const { events_done, events_total } = await rebuild();
      expect(events_done).toBeGreaterThanOrEqual(300);
      expect(events_total).toBe(events_done);
      await eventually(async () => seen.reads > before.reads && seen.writes > before.writes, Boolean);
    }
    over = true;
    await Promise.all(traffic);
    expect(seen.reads).toBeGreaterThan(3);
    expect(seen.writes).toBeGreaterThan(3);
    await expectTheModel();
  };
  it(
    'given writes and reads that go on, then no read fails and the list equals the model',
    amidTraffic,
    ROUNDS * PATIENCE_MS,
  );

  it('given a right read model, when it is verified, then there are no differences', async () => {
    expect(await rebuild({ verify: true })).toMatchObject({ differences: 0 });
    await expectTheModel();
  });

  describe('given rows that were falsified by hand', () => {
    let falsified: User;
    let lost: User;

    beforeEach(async () => {
      [falsified, lost] = [...model.values()].slice(-2) as [User, User];
      await changeReadModels(service.dataDir, [
        `update users set revision = 99, status = 'archived' where id = '${falsified.id}'`,
        `delete from users where id = '${lost.id}'`,
      ]);
      const { body } = await service.request('GET', `/v1/users/${falsified.id}`);
      expect(body).toMatchObject({ revision: 99, status: 'archived' });
      expectProblem(await service.request('GET', `/v1/users/${lost.id}`), { status: 404, code: 'not_found' });
    });

    it('when it is rebuilt, then they are right again', async () => {
      expect(await rebuild()).not.toHaveProperty('differences');
      expect((await service.request('GET', `/v1/users/${falsified.id}`)).body).toEqual(falsified);
      await expectTheModel();
    });

    it('when it is rebuilt with verify, then differences counts them', async () => {
      expect(await rebuild({ verify: true })).toMatchObject({ differences: 2 });
      await expectTheModel();
    });
  });

  it('given every projection, when each is rebuilt, then all run and say no difference', async () => {
    const key = service.rootKey;
    const { body } = await service.request<{ data: { name: string; state: string }[] }>(
      'GET',
      '/v1/projections',
      { key },
    );
    const outcomes: Record<string, unknown> = {};
    for (const { name } of body.data) {
      const path = `/v1/projections/${name}/rebuild`;
      const begun = await service.request('POST', path, { key, body: { verify: true } });
      if (begun.status === 404) continue; // followers are listed too, and have nothing to rebuild
      const ask = () => service.request<RebuildState>('GET', path, { key });
      const done = await eventually(ask, (answer) => answer.body.state !== 'running', PATIENCE_MS);
      outcomes[name] = [done.body.state, done.body.differences];
    }
    expect(Object.keys(outcomes)).toEqual(expect.arrayContaining(['user-directory', 'access', 'deletions']));
    expect(new Set(Object.values(outcomes).map(String))).toEqual(new Set(['completed,0']));
    await expectTheModel();
  });

  it('when it is asked for on the command line, then npm run projections lists and rebuilds', async () => {
    const run = (...rest: string[]) =>
      promisify(execFile)('npm', ['run', '--silent', 'projections', '--', ...rest], {
        env: { ...process.env, TENANTRY_URL: service.url, TENANTRY_DATA_DIR: service.dataDir },
      });
    expect((await run('list')).stdout).toMatch(/^user-directory +running +\d+ +\d+$/m);
    expect((await run('rebuild', 'user-directory')).stdout).toMatch(
      /user-directory was rebuilt from \d+ events/,
    );
    await expect(run('rebuild', 'no-such-projection')).rejects.toMatchObject({ code: 1 });
    await expectTheModel();
  });
});
