import { afterEach, describe, expect, it } from '@jest/globals';
import { createApiKey, READ_DATABASE, ReadModels } from '#platform';
import type { ReadDatabase } from '#projections';
import type { ServiceApplication } from '../service-application.js';
import { until } from './budgets-app.js';
import { HeldProjections } from './held-projections.js';
import { Client, openWholeService, PROJECTIONS } from './whole-service.js';

type Checkpoints = { checkpoints: { name: string; version: number } };

describe('a service of which projections have another version than before', () => {
  let service: ServiceApplication;
  const held = new HeldProjections();

  afterEach(async () => {
    held.release();
    await service.remove();
  });

  /** The next start finds the tables of another version. */
  const outdate = async (names: readonly string[]): Promise<void> => {
    const database = service.app.get<ReadDatabase>(READ_DATABASE);
    for (const name of names) {
      const checkpoints = database.of(name).reader<Checkpoints>().updateTable('checkpoints');
      await database.of(name).run([checkpoints.set({ version: 0 }).where('name', '=', name)]);
    }
  };
  /** Those of another version get nothing of the log until they are released. */
  const restartWith = async (outdated: readonly string[]) => {
    await outdate(outdated);
    const { dataDir: folder } = service;
    await service.close();
    held.hold(outdated);
    service = await openWholeService({ folder, prepare: (app) => held.prepare(app) });
  };

  /** What a client is told of everything there is. */
  const answers = async (client: Client, living: string, deleted: string) => {
    const reads = PROJECTIONS.flatMap(({ name, reads: paths }) => paths.map((path) => ({ name, path })));
    return Promise.all(
      reads.map(async ({ name, path }) => {
        const id = path.endsWith('/deletion') ? deleted : living;
        const { status, body } = await client.call('GET', path.replace('USER', id));
        return { name, path, status, body };
      }),
    );
  };
  const behind = { status: 503, body: expect.objectContaining({ code: 'projection_behind' }) };

  it.each([
    ['one', ['user-directory'], ['user-directory']],
    // Who calls is not known either, save for keys that were used since the start.
    ['all', PROJECTIONS.map(({ name }) => name), PROJECTIONS.map(({ name }) => name)],
  ])('given %s, then its reads answer 503 until it is built, and no other', async (_, outdated, refused) => {
    service = await openWholeService();
    const first = await Client.ofNewPlatform(service);
    const [user, gone] = [await first.newUser(), await first.newUser()];
    await first.call('DELETE', gone.path);
    const isDeleted = async () => {
      const { body } = await first.call('GET', `${gone.path}/deletion`);
      return body.status === 'completed' || undefined;
    };
    await until(isDeleted);
    const told = await answers(first, user.id, gone.id);
    expect(new Set(told.map(({ status }) => status))).toEqual(new Set([200]));

    await restartWith(outdated);
    const client = new Client(service, first.key);
    const expected = told.map((one) => (refused.includes(one.name) ? { ...one, ...behind } : one));
    const seen = await answers(client, user.id, gone.id);
    expect(seen).toEqual(expected);
    const details = new Set(seen.flatMap(({ status, body }) => (status === 503 ? body.detail : [])));
    const [name] = outdated;
    expect(details).toEqual(new Set([`${name} is being built: 0 % of the log is read`]));
    expect((await service.call('GET', '/health/live')).status).toBe(200);
    const ready = await service.call('GET', '/health/ready');
    expect(ready.status).toBe(200);
    expect(ready.body.projections).toContainEqual(expect.objectContaining({ name, state: 'starting' }));

    held.release();
    expect(await service.app.get(ReadModels).catchUp(10_000)).toBe(true);
    expect(await answers(client, user.id, gone.id)).toEqual(told);
  });

  it('given the directory of users, then keys verify, budgets spend, and users are made and changed', async () => {
    service = await openWholeService();
    const first = await Client.ofNewPlatform(service);
    const user = await first.newUser();
    await restartWith(['user-directory']);
    const client = new Client(service, first.key);
    expect(await client.verify(user.rawKey)).toMatchObject({ valid: true });
    expect((await client.call('POST', `${user.path}/budget/spend`, { amount_usd: '1.00' })).status).toBe(201);
    expect((await client.call('PATCH', user.path, { label: 'Changed' })).body).toMatchObject({
      label: 'Changed',
    });
    const late = await client.newUser();
    expect(await client.verify(late.rawKey)).toMatchObject({ valid: true });
  });

  it('given who may call, then a key is refused only where it is known to be none', async () => {
    service = await openWholeService();
    const first = await Client.ofNewPlatform(service);
    await restartWith(['access']);
    const client = new Client(service, first.key);
    expect(await client.call('GET', 'users')).toMatchObject(behind);
    const malformed = await client.call('GET', 'users', undefined, 'tnt_plat_nothing');
    expect(malformed.status).toBe(401);
    held.release();
    expect(await service.app.get(ReadModels).catchUp(10_000)).toBe(true);
    expect((await client.call('GET', 'users')).status).toBe(200);
    expect((await client.call('GET', 'users', undefined, createApiKey('plat'))).status).toBe(401);
  });
});
