import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { systemClock } from '#kernel';
import { ProjectionRunner, type ReadDatabase } from '#projections';
import { describeOnReadDatabases, InMemoryEventStore, RecordingLogger } from '#testing';
import { UserLog } from '../../../../test/user-events.js';
import { UserDirectoryProjection } from './user-directory.projection.js';
import { UserQueries } from './user-queries.js';
import { UserRows } from './user-rows.js';
import { UserTexts } from './user-texts.js';
import type { UserFilter } from './user-tokens.js';

const SECRET = new Uint8Array(32).fill(5);

await describeOnReadDatabases('queries of users', ({ open }) => {
  let database: ReadDatabase;
  let store: InMemoryEventStore;
  let runner: ProjectionRunner;
  let log: UserLog;
  let queries: UserQueries;
  let opened: number;

  const start = () => {
    const parts = { dialect: database.dialect, open: log.open, secret: SECRET };
    const logger = new RecordingLogger();
    const projections = [new UserDirectoryProjection(parts)];
    runner = new ProjectionRunner({ store, database, clock: systemClock, logger, projections });
    return runner.start();
  };
  beforeEach(async () => {
    database = await open();
    store = new InMemoryEventStore();
    log = new UserLog(store);
    await start();
    opened = 0;
    const counting: typeof log.open = (...sealed) => {
      opened += 1;
      return log.open(...sealed);
    };
    queries = new UserQueries({ database, open: counting, secret: SECRET });
  });
  afterEach(async () => {
    queries.forget();
    await runner.stop();
    await store.close();
    await database.close();
  });

  const caughtUp = async () => expect(await runner.waitForAll(await store.head(), 10_000)).toBe(true);
  const list = async (filter: UserFilter = {}, limit = 10) =>
    JSON.parse(Buffer.from(await queries.list('tenant', { limit, order: 'created_at', filter })).toString());
  const idsOf = async (filter: UserFilter) => (await list(filter)).data.map(({ id }: { id: string }) => id);

  it.each(['its key is destroyed', 'its text is damaged'])(
    'given that %s, then the user is listed as nobody and found by what is in clear alone',
    async (how) => {
      const values = { label: 'Ann', email: 'ann@example.com', role: 'owner', teams: ['red'] };
      await runner.stop();
      const { id } = await log.create('tenant', values);
      const other = await log.create('tenant', values);
      if (how === 'its key is destroyed') log.destroyKey(id);
      else log.damage(id);
      await log.update(id, { status: 'suspended' });
      await start();
      await caughtUp();
      const { data, total } = await list();
      expect(total).toBe(2);
      const nobody = { label: null, email: null, role: null, teams: [], metadata: {} };
      expect(data[0]).toMatchObject({ id, tenant_id: 'tenant', status: 'suspended', revision: 1, ...nobody });
      expect(data[1]).toMatchObject({ id: other.id, ...values });
      expect(await idsOf({ status: 'suspended' })).toEqual([id]);
      for (const filter of [{ q: 'ann' }, { email: values.email }, { role: 'owner' }, { team: 'red' }]) {
        expect(await idsOf(filter)).toEqual([other.id]);
      }
      await log.delete(id);
      await caughtUp();
      expect((await list()).total).toBe(1);
    },
  );

  it('given a user of an older log who cannot be read, when suspended, then it is listed with what is in clear', async () => {
    const { id } = await log.create('tenant', { label: 'Ann', role: 'owner', teams: ['red'] }, 1);
    log.destroyKey(id);
    await log.update(id, { status: 'suspended' });
    await caughtUp();
    const [user] = (await list({ status: 'suspended' })).data;
    expect(user).toMatchObject({ id, revision: 1, label: null, role: 'owner', teams: ['red'] });
  });

  it('given a page that was shown, then its users are opened again only when they have changed', async () => {
    for (let number = 0; number < 5; number += 1) await log.create('tenant', { label: `Ann ${number}` });
    await caughtUp();
    await list();
    expect(opened).toBe(5);
    await list();
    expect(opened).toBe(5);
    const [id] = [...log.users.keys()];
    await log.update(id!, { label: 'Bea' });
    await caughtUp();
    expect((await list()).data.map(({ label }: { label: string }) => label)).toEqual([
      ...['Bea', 'Ann 1', 'Ann 2', 'Ann 3', 'Ann 4'],
    ]);
    expect(opened).toBe(6);
  });

  it('given a user who has changed, then the text that was shown is not kept', async () => {
    await log.create('tenant');
    await caughtUp();
    const rows = new UserRows(database);
    const texts = new UserTexts(rows, (...sealed) => {
      opened += 1;
      return log.open(...sealed);
    });
    const keys = await rows.page('tenant', [], { limit: 1, after: undefined, order: 'created_at' });
    for (const times of [1, 1]) {
      expect(await texts.of('tenant', keys)).toHaveLength(1);
      expect(opened).toBe(times);
    }
    texts.follow(await rows.changesAfter(0, 10));
    await texts.of('tenant', keys);
    expect(opened).toBe(2);
  });

  it('given a total that was counted, then it is counted again when the tenant has changed', async () => {
    const { id } = await log.create('tenant', { role: 'owner' });
    await log.create('tenant');
    await caughtUp();
    for (const filter of [{ role: 'owner' }, { role: 'owner', q: 'a' }]) {
      expect((await list(filter)).total).toBe('q' in filter ? 0 : 1);
    }
    await log.update(id, { label: 'a' });
    await log.create('tenant', { role: 'owner', label: 'a' });
    await caughtUp();
    expect((await list({ role: 'owner' })).total).toBe(2);
    expect((await list({ role: 'owner', q: 'a' })).total).toBe(2);
  });

  it('given users whose filtered values change until they are deleted, then each is found by those that it has alone', async () => {
    const names = ['a', 'b', 'c', 'd', 'e'];
    const teamsAt = (number: number) => names.filter((_, bit) => (number * 11) & (1 << bit));
    for (let number = 1; number <= 31; number += 1) {
      const { id } = await log.create('tenant', { teams: teamsAt(number) });
      for (const change of [5, 18, 27]) {
        const teams = teamsAt(number + change);
        await log.update(id, { teams });
        await caughtUp();
        for (const team of names) expect(await idsOf({ team })).toEqual(teams.includes(team) ? [id] : []);
      }
      await log.delete(id);
      await caughtUp();
    }
    expect((await list()).total).toBe(0);
  });

  it('given users far from one another in the order of the list, then a page has them all the same', async () => {
    const wanted = { metadata: { plan: 'pro' } };
    const first = await log.create('tenant', wanted);
    for (let number = 0; number < 450; number += 1)
      await log.create('tenant', { metadata: { plan: 'free' } });
    const last = await log.create('tenant', wanted);
    await caughtUp();
    expect(await idsOf({ metadata: new Map([['plan', 'pro']]) })).toEqual([first.id, last.id]);
  });

  it('given a user with many entries, then the first hundred can be filtered by', async () => {
    const entries = Array.from({ length: 150 }, (_, at) => [`key${at}`, at] as const);
    const { id } = await log.create('tenant', { metadata: Object.fromEntries(entries) });
    await caughtUp();
    expect(await idsOf({ metadata: new Map([['key99', '99']]) })).toEqual([id]);
    expect(await idsOf({ metadata: new Map([['key100', '100']]) })).toEqual([]);
  });

  it('given many changes of an older log, then a row keeps only what they come to', async () => {
    const { id } = await log.create('tenant', { label: 'Ann', email: 'ann@example.com' }, 1);
    for (let number = 0; number < 60; number += 1)
      await log.update(id, { label: `Ann ${number}`, role: 'owner' }, 1);
    await caughtUp();
    const { rows } = await sql<{ personal: string }>`select personal from users`.execute(database.reader());
    expect(rows[0]?.personal.split(' ').length).toBeLessThanOrEqual(16);
    const [user] = (await list({ role: 'owner', q: 'ann 59', email: 'ann@example.com' })).data;
    expect(user).toMatchObject({ label: 'Ann 59', email: 'ann@example.com', role: 'owner' });
  });
});
