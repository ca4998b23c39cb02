import { readdirSync, writeFileSync } from 'node:fs';
import { parse } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { type Kysely, sql } from 'kysely';
import { type RecordedEvent, systemClock } from '#kernel';
import {
  appendSample,
  describeOnReadDatabases,
  foldSample,
  InMemoryEventStore,
  InterruptibleReadDatabase,
  RecordingLogger,
  readSample,
  SampleProjection,
  type SampleSchema,
  tablesAndIndexes,
} from '#testing';
import { ProjectionRunner } from './projection-runner.js';
import type { ReadDatabase } from './read-database.js';

await describeOnReadDatabases('ProjectionRunner.rebuild', ({ dialect, open }) => {
  let database: ReadDatabase;
  let store: InMemoryEventStore;
  let projection: SampleProjection;
  let runner: ProjectionRunner;
  let log: RecordedEvent[];

  const newRunner = (on: ReadDatabase = database) => {
    const logger = new RecordingLogger();
    return new ProjectionRunner({
      store,
      database: on,
      clock: systemClock,
      logger,
      projections: [projection],
    });
  };
  const append = async (account: number, amount: number) => {
    const event = await appendSample(store, `account-${account}`, amount);
    log.push(event);
    return event.position;
  };
  const fill = async (count: number) => {
    for (let index = 0; index < count; index += 1) await append(index % 11, index);
  };
  const caughtUp = async () => runner.waitForAll(await store.head(), 5_000);
  const falsify = (statement: string) =>
    database.write((transaction: Kysely<SampleSchema>) => sql.raw(statement).execute(transaction));
  const turn = () => new Promise(setImmediate);

  beforeEach(async () => {
    database = await open();
    store = new InMemoryEventStore();
    log = [];
    projection = new SampleProjection();
    runner = newRunner();
    await runner.start();
  });
  afterEach(async () => {
    await runner.stop();
    await store.close();
    await database.close();
  });

  it('while writes and reads go on, then no read fails or sees less than was there, and the result equals the fold', async () => {
    await fill(600);
    await caughtUp();
    let busy = true;
    let reads = 0;
    const reader = database.reader<SampleSchema>();
    const read = async () => {
      for (let seen = 0; busy; reads += 1) {
        const built = await reader.selectFrom('movements').selectAll().execute();
        const raw = await sql<{ total: number }>`select count(*) as total from movements`.execute(reader);
        expect(built.length).toBeGreaterThanOrEqual(seen);
        expect(raw.rows[0]?.total).toBeGreaterThanOrEqual(built.length);
        seen = built.length;
        await turn();
      }
    };
    const write = async () => {
      for (let index = 0; busy; index += 1) {
        const position = await append(index % 11, index);
        expect(await runner.waitFor('accounts', position, 10_000)).toBe(true);
      }
    };
    const traffic = [read(), read(), write()];
    for (let round = 0; round < 2; round += 1) {
      expect(runner.rebuild('accounts', { verify: true }).state).toBe('running');
      expect(() => runner.rebuild('accounts')).toThrow('accounts is being rebuilt');
      expect(await runner.rebuilt('accounts')).toMatchObject({ state: 'completed', differences: 0 });
    }
    busy = false;
    await Promise.all(traffic);
    expect(reads).toBeGreaterThan(20);
    expect(await caughtUp()).toBe(true);
    expect(await readSample(database)).toEqual(foldSample(log));
  });

  it('when it has completed, then its progress is whole and no other table or index is left', async () => {
    await fill(300);
    await appendSample(store, 'other-1', 1);
    await caughtUp();
    const before = await tablesAndIndexes(database);
    for (let round = 0; round < 3; round += 1) {
      runner.rebuild('accounts');
      const status = await runner.rebuilt('accounts');
      expect(status).toMatchObject({ state: 'completed', eventsDone: 300, eventsTotal: 300 });
      expect(status?.eventsPerSecond).toBeGreaterThan(0);
      expect(status).not.toHaveProperty('differences');
    }
    expect(await tablesAndIndexes(database)).toEqual(before);
    expect(before.tables).toEqual(['accounts', 'checkpoints', 'movements', 'schema_versions']);
    expect(runner.rebuildStatus('accounts')?.state).toBe('completed');
  });

  it.each([
    ['a changed row', 1, `update accounts set balance = 1000000 where id = '3'`],
    ['a missing row', 1, `delete from movements where position = 77`],
    ['an added row', 1, `insert into movements values (-1, 'x', 5)`],
    ['a moved key', 1, `update accounts set id = 'moved' where id = '3'`],
    ['rows in both tables', 4, `update movements set amount = -1 where position between 10 and 13`],
  ])('given %s, when verified, then it is counted and right again', async (_, count, statement) => {
    await fill(200);
    await caughtUp();
    await falsify(statement);
    expect(await readSample(database)).not.toEqual(foldSample(log));
    runner.rebuild('accounts', { verify: true });
    expect(await runner.rebuilt('accounts')).toMatchObject({ state: 'completed', differences: count });
    expect(await readSample(database)).toEqual(foldSample(log));
  });

  it('given a projection that failed at a falsified row, when rebuilt, then it passes the event and runs again', async () => {
    await fill(100);
    await caughtUp();
    await falsify(`update accounts set revision = 99 where id = '1'`);
    await fill(100);
    expect(await caughtUp()).toBe(false);
    expect((await runner.statuses())[0]).toMatchObject({ state: 'failed', failure: { error: 'RangeError' } });
    runner.rebuild('accounts', { verify: true });
    expect(await runner.rebuilt('accounts')).toMatchObject({ state: 'completed', differences: 1 });
    await fill(10);
    expect(await caughtUp()).toBe(true);
    const [status] = await runner.statuses();
    expect(status).toMatchObject({ state: 'running', lag: 0n });
    expect(status).not.toHaveProperty('failure');
    expect(await readSample(database)).toEqual(foldSample(log));
  });

  it('given a projection that failed at an event that still fails, when rebuilt, then both stay failed', async () => {
    projection.beforeApply = (event) => {
      if (event.position === 70n) throw new TypeError('no');
    };
    await fill(100);
    expect(await caughtUp()).toBe(false);
    runner.rebuild('accounts');
    expect(await runner.rebuilt('accounts')).toMatchObject({ state: 'failed', error: 'TypeError' });
    expect((await runner.statuses())[0]).toMatchObject({ state: 'failed', position: 69n });
    expect(await readSample(database)).toEqual(foldSample(log.slice(0, 69)));
  });

  it('when the live projection is in the middle of an event as the rebuild catches up, then nothing is lost', async () => {
    await fill(100);
    await caughtUp();
    let inTheMiddle = false;
    projection.beforeApply = async (event) => {
      if (event.position === 64n) await append(1, 101);
      if (event.position !== 101n || inTheMiddle) return;
      inTheMiddle = true;
      for (let turns = 0; turns < 20; turns += 1) await turn();
    };
    runner.rebuild('accounts', { verify: true });
    expect(await runner.rebuilt('accounts')).toMatchObject({ state: 'completed', differences: 0 });
    expect(await caughtUp()).toBe(true);
    expect(log).toHaveLength(101);
    expect(await readSample(database)).toEqual(foldSample(log));
  });

  it('when an event can not be applied to the rebuilt tables, then it fails and the live ones go on', async () => {
    await fill(100);
    await caughtUp();
    projection.beforeApply = (event) => {
      if (event.position === 50n) throw new TypeError('no');
    };
    runner.rebuild('accounts');
    expect(await runner.rebuilt('accounts')).toMatchObject({ state: 'failed', error: 'TypeError' });
    await fill(10);
    expect(await caughtUp()).toBe(true);
    expect(await readSample(database)).toEqual(foldSample(log));
    projection.beforeApply = () => undefined;
    runner.rebuild('accounts');
    expect(await runner.rebuilt('accounts')).toMatchObject({ state: 'completed' });
    expect(await readSample(database)).toEqual(foldSample(log));
  });

  it('given an empty log, when rebuilt, then it completes', async () => {
    runner.rebuild('accounts', { verify: true });
    expect(await runner.rebuilt('accounts')).toMatchObject({
      state: 'completed',
      eventsDone: 0,
      differences: 0,
    });
    await fill(3);
    expect(await caughtUp()).toBe(true);
    expect(await readSample(database)).toEqual(foldSample(log));
  });

  const stoppedInTheMiddle = async () => {
    await fill(500);
    await caughtUp();
    const reached = Promise.withResolvers<void>();
    projection.beforeApply = async (event) => {
      if (event.position === 300n) reached.resolve();
    };
    runner.rebuild('accounts');
    await reached.promise;
    await runner.stop();
    expect(runner.rebuildStatus('accounts')).toMatchObject({ state: 'failed', error: 'illegal_state' });
    expect(() => runner.rebuild('accounts')).toThrow('accounts is stopped');
  };

  it('when stopped in the middle, then it ends as failed, and the next start leaves the live tables alone', async () => {
    await stoppedInTheMiddle();
    const isLeft = async () => (await tablesAndIndexes(database)).tables.join().includes('__');
    expect(await isLeft()).toBe(dialect === 'postgres');
    runner = newRunner();
    await runner.start();
    expect(await isLeft()).toBe(false);
    expect(await readSample(database)).toEqual(foldSample(log));
  });

  if (dialect === 'sqlite') {
    const startCounting = async (version = 1) => {
      const applied: bigint[] = [];
      projection = new SampleProjection('accounts', version);
      projection.beforeApply = ({ position }) => void applied.push(position);
      runner = newRunner();
      await runner.start();
      return applied;
    };

    it('when stopped in the middle, then the next start goes on where it was', async () => {
      await stoppedInTheMiddle();
      await database.write((transaction: Kysely<SampleSchema>) =>
        sql.raw(`delete from movements where position = 77`).execute(transaction),
      );
      const applied = await startCounting();
      const outcome = await runner.rebuilt('accounts');
      expect(outcome).toMatchObject({ state: 'completed', eventsDone: applied.length });
      expect(applied[0]).toBeGreaterThan(200n);
      expect(applied.at(-1)).toBe(500n);
      expect(await readSample(database)).toEqual(foldSample(log));
    });

    it('given another version when it starts again, then what was begun is thrown away', async () => {
      await stoppedInTheMiddle();
      const applied = await startCounting(2);
      expect(await caughtUp()).toBe(true);
      expect(applied).toHaveLength(500);
      expect(runner.rebuildStatus('accounts')).toBeUndefined();
      expect(await readSample(database)).toEqual(foldSample(log));
    });

    it('given a file that is damaged when it starts again, then it is thrown away', async () => {
      await stoppedInTheMiddle();
      const file = String(database.file?.path).replace('.db', '.building.db');
      writeFileSync(file, 'x'.repeat(10_000));
      const applied = await startCounting();
      expect(await runner.rebuilt('accounts')).toMatchObject({ state: 'completed' });
      expect(applied).toHaveLength(500);
      expect(await readSample(database)).toEqual(foldSample(log));
    });

    it('when it has ended, whatever its outcome, then one file is left', async () => {
      await fill(100);
      await caughtUp();
      const { dir, name } = parse(String(database.file?.path));
      const files = () => readdirSync(dir).filter((it) => it.startsWith(name) && it.endsWith('.db'));
      projection.beforeApply = (event) => {
        if (event.position === 90n) throw new TypeError('no');
      };
      runner.rebuild('accounts');
      expect(await runner.rebuilt('accounts')).toMatchObject({ state: 'failed' });
      expect(files()).toEqual([`${name}.db`]);
      projection.beforeApply = () => undefined;
      runner.rebuild('accounts');
      expect(await runner.rebuilt('accounts')).toMatchObject({ state: 'completed' });
      expect(files()).toEqual([`${name}.1.db`]);
    });
  }

  it('when stopped right after it began, then it ends as failed', async () => {
    await fill(10);
    runner.rebuild('accounts');
    await runner.stop();
    expect(await runner.rebuilt('accounts')).toMatchObject({ state: 'failed', error: 'illegal_state' });
  });

  it('given a projection that nobody has, when rebuilt, then it is not found', () => {
    expect(() => runner.rebuild('nobody')).toThrow('projection not found');
    expect(runner.rebuildStatus('accounts')).toBeUndefined();
  });

  it.each(['before_commit', 'after_commit'] as const)(
    'when live writes are interrupted %s meanwhile, then each event counts once',
    async (interruption) => {
      await runner.stop();
      let write = 0;
      const flaky = new InterruptibleReadDatabase(database, () => {
        write += 1;
        return write % 7 === 6 && write < 40 ? interruption : 'none';
      });
      runner = newRunner(flaky);
      await runner.start();
      await fill(400);
      await runner.waitFor('accounts', 100n, 5_000);
      runner.rebuild('accounts');
      await fill(50);
      await runner.rebuilt('accounts');
      await fill(50);
      expect(await runner.waitForAll(await store.head(), 20_000)).toBe(true);
      expect(await readSample(database)).toEqual(foldSample(log));
    },
  );
});
