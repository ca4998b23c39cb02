import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Kysely } from 'kysely';
import { type RecordedEvent, systemClock, unavailable } from '#kernel';
import {
  appendSample,
  describeOnReadDatabases,
  foldSample,
  InMemoryEventStore,
  InterruptibleReadDatabase,
  type Interruption,
  RecordingLogger,
  readSample,
  SampleProjection,
  sampleEvent,
  tablesAndIndexes,
} from '#testing';
import type { AnyProjection } from './projection.js';
import { ProjectionRunner } from './projection-runner.js';
import type { ReadDatabase } from './read-database.js';
import { MAX_EVENTS_PER_TRANSACTION } from './transaction-size.js';

await describeOnReadDatabases('ProjectionRunner', ({ open }) => {
  let database: ReadDatabase;
  let store: InMemoryEventStore;
  let logger: RecordingLogger;
  const runners: ProjectionRunner[] = [];

  const start = async (projections: readonly AnyProjection[], on: ReadDatabase) => {
    const runner = new ProjectionRunner({ store, database: on, clock: systemClock, logger, projections });
    runners.push(runner);
    await runner.start();
    return runner;
  };
  const caughtUp = async (runner: ProjectionRunner) => runner.waitForAll(await store.head(), 5_000);
  const fill = async (count: number) => {
    for (let index = 0; index < count; index += 1) await appendSample(store, `account-${index % 7}`, index);
  };
  const expected = async () => {
    const streams = await Promise.all([0, 1, 2, 3, 4, 5, 6].map((id) => store.read(`account-${id}`)));
    return foldSample(streams.flat().sort((a, b) => Number(a.position - b.position)));
  };

  beforeEach(async () => {
    database = await open();
    store = new InMemoryEventStore();
    logger = new RecordingLogger();
  });
  afterEach(async () => {
    for (const runner of runners.splice(0)) await runner.stop();
    await store.close();
    await database.close();
  });

  it('given a log, when started, then the tables equal its fold and follow it', async () => {
    await fill(200);
    const runner = await start([new SampleProjection()], database);
    expect(await caughtUp(runner)).toBe(true);
    expect(await readSample(database)).toEqual(await expected());
    await fill(20);
    expect(await caughtUp(runner)).toBe(true);
    expect(await readSample(database)).toEqual(await expected());
    expect(await runner.statuses()).toEqual([
      { name: 'accounts', position: 220n, lag: 0n, state: 'running' },
    ]);
  });

  it('when stopped and started again, then it goes on from its checkpoint', async () => {
    await fill(100);
    const first = await start([new SampleProjection()], database);
    await caughtUp(first);
    await first.stop();
    expect((await first.statuses())[0]?.state).toBe('stopped');
    const seen: bigint[] = [];
    const projection = new SampleProjection();
    projection.beforeApply = (event) => void seen.push(event.position);
    await fill(3);
    await caughtUp(await start([projection], database));
    expect(seen).toEqual([101n, 102n, 103n]);
    expect(await readSample(database)).toEqual(await expected());
  });

  it('when events pass that do not concern it, then its position moves almost without writes and is saved on stop', async () => {
    const counting = new InterruptibleReadDatabase(database);
    const runner = await start([new SampleProjection()], counting);
    const before = counting.writes;
    for (let index = 0; index < 50; index += 1) {
      const { position } = await appendSample(store, `other-${index}`, index);
      expect(await runner.waitFor('accounts', position, 1_000)).toBe(true);
    }
    expect(counting.writes - before).toBeLessThan(5);
    await runner.stop();
    const seen: bigint[] = [];
    const projection = new SampleProjection();
    projection.beforeApply = (event) => void seen.push(event.position);
    const again = new ProjectionRunner({
      store,
      database,
      clock: systemClock,
      logger,
      projections: [projection],
    });
    runners.push(again);
    await again.start();
    expect((await again.statuses())[0]?.position).toBe(50n);
  });

  it.each<Interruption>(['before_commit', 'after_commit'])(
    'when a write is interrupted %s, then it is tried again and each event counts once',
    async (interruption) => {
      let [isStarted, write] = [false, 0];
      const flaky = new InterruptibleReadDatabase(database, () => {
        write += 1;
        return isStarted && (write === 1 || write === 3) ? interruption : 'none';
      });
      await fill(200);
      const runner = await start([new SampleProjection()], flaky);
      [isStarted, write] = [true, 0];
      await fill(200);
      expect(await caughtUp(runner)).toBe(true);
      expect(await readSample(database)).toEqual(await expected());
    },
  );

  it.each<Interruption>(['before_commit', 'after_commit'])(
    'when the process dies %s, then the next one goes on and each event counts once',
    async (interruption) => {
      let write = 0;
      const dying = new InterruptibleReadDatabase(database, () => {
        write += 1;
        if (write === 4) return interruption;
        return write > 4 ? 'dead' : 'none';
      });
      await fill(200);
      const dead = await start([new SampleProjection()], dying);
      expect(await dead.waitFor('accounts', 200n, 300)).toBe(false);
      await dead.stop();
      expect(await caughtUp(await start([new SampleProjection()], database))).toBe(true);
      expect(await readSample(database)).toEqual(await expected());
    },
  );

  it('when another process has moved the checkpoint, then no event is applied twice', async () => {
    const [one, two] = [new SampleProjection(), new SampleProjection()];
    const first = await start([one], database);
    const second = await start([two], database);
    for (let round = 0; round < 5; round += 1) {
      await fill(50);
      await Promise.all([caughtUp(first), caughtUp(second)]);
    }
    expect(await readSample(database)).toEqual(await expected());
    expect((await first.statuses())[0]?.state).toBe('running');
    expect((await second.statuses())[0]?.state).toBe('running');
  });

  describe('given an event that one of two projections can not apply', () => {
    const broken = (projection: SampleProjection, position: bigint) => {
      projection.beforeApply = (event) => {
        if (event.position === position) throw new RangeError(`bad ${String(event.data.memo)}`);
      };
      return projection;
    };

    it('when applied, then only that projection stops, right before the event, and says why', async () => {
      await fill(40);
      const healthy = { ...sampleCopy(), name: 'copy' };
      const runner = await start([broken(new SampleProjection(), 33n), healthy], database);
      expect(await runner.waitFor('copy', 40n, 5_000)).toBe(true);
      expect(await runner.waitFor('accounts', 33n, 5_000)).toBe(false);
      expect((await readSample(database)).movements.map((row) => row.position).at(-1)).toBe(32);
      await fill(5);
      expect(await runner.waitFor('copy', 45n, 5_000)).toBe(true);
      expect(await runner.statuses()).toEqual([
        {
          name: 'accounts',
          position: 32n,
          lag: 13n,
          state: 'failed',
          failure: { position: 33n, eventType: 'account.moved.v1', error: 'RangeError' },
        },
        { name: 'copy', position: 45n, lag: 0n, state: 'running' },
      ]);
    });

    it('when it stops, then the log names event and correlation id but nothing of the data', async () => {
      await fill(3);
      const runner = await start([broken(new SampleProjection(), 2n)], database);
      await runner.waitFor('accounts', 3n, 5_000);
      const [entry] = logger.entries.filter(({ level }) => level === 'error');
      expect(entry?.fields).toMatchObject({
        projection: 'accounts',
        position: '2',
        correlationId: 'correlation-1',
        error: 'RangeError',
      });
      expect(JSON.stringify(logger.entries)).not.toContain('private memo');
    });

    it('when started again without the fault, then it goes on', async () => {
      await fill(10);
      const runner = await start([broken(new SampleProjection(), 5n)], database);
      expect(await runner.waitFor('accounts', 5n, 5_000)).toBe(false);
      await runner.stop();
      expect(await caughtUp(await start([new SampleProjection()], database))).toBe(true);
      expect(await readSample(database)).toEqual(await expected());
    });

    it('when the error is that something is unavailable, then the event is tried again', async () => {
      await fill(10);
      const projection = new SampleProjection();
      let failures = 2;
      projection.beforeApply = (event) => {
        if (event.position !== 5n || failures === 0) return;
        failures -= 1;
        throw unavailable('keys');
      };
      expect(await caughtUp(await start([projection], database))).toBe(true);
      expect(failures).toBe(0);
      expect(await readSample(database)).toEqual(await expected());
    });
  });

  it('when many wait, then each is answered as soon as its position can be read', async () => {
    const runner = await start([new SampleProjection()], database);
    const reader = database.reader<{ movements: { position: number } }>();
    const waits = Array.from({ length: 2_000 }, async (_, index) => {
      const position = BigInt((index % 200) + 1);
      const passed = await runner.waitFor('accounts', position, 10_000);
      const query = reader
        .selectFrom('movements')
        .select('position')
        .where('position', '=', Number(position));
      return passed && (await query.executeTakeFirst()) !== undefined;
    });
    await fill(200);
    expect((await Promise.all(waits)).every(Boolean)).toBe(true);
    expect(await runner.waitFor('accounts', 200n, 0)).toBe(true);
    expect(await runner.waitFor('accounts', 201n, 20)).toBe(false);
    expect(await runner.waitForAll(201n, 20)).toBe(false);
    expect(() => runner.waitFor('nothing', 1n, 20)).toThrow('projection not found');
  });

  it('when stopped, then whoever waits is told at once', async () => {
    const runner = await start([new SampleProjection()], database);
    const waiting = runner.waitFor('accounts', 1n, 60_000);
    await runner.stop();
    expect(await waiting).toBe(false);
  });

  it('when its version changes, then its tables are dropped and built anew', async () => {
    await fill(50);
    const old = { ...sampleCopy(), name: 'accounts' };
    await caughtUp(await start([old], database));
    await runners[0]?.stop();
    expect(await caughtUp(await start([new SampleProjection('accounts', 2)], database))).toBe(true);
    expect(await readSample(database)).toEqual(await expected());
    expect((await tablesAndIndexes(database)).tables).toEqual([
      'accounts',
      'checkpoints',
      'movements',
      'schema_versions',
    ]);
  });

  describe('when others read it', () => {
    const refusal = (runner: ProjectionRunner) => {
      try {
        runner.requireReadable('accounts');
        return undefined;
      } catch (error) {
        return error;
      }
    };
    const isBehind = (message: RegExp, retryAfterSeconds: number) =>
      expect.objectContaining({
        code: 'projection_behind',
        message: expect.stringMatching(message),
        details: expect.objectContaining({ retryAfterSeconds }),
      });
    const expectRefused = (runner: ProjectionRunner, message: RegExp, retryAfterSeconds: number) => {
      expect(refusal(runner)).toEqual(isBehind(message, retryAfterSeconds));
      expect(runner.areCurrent(['accounts'])).toBe(false);
    };
    const expectRead = (runner: ProjectionRunner) => {
      expect(refusal(runner)).toBeUndefined();
      expect(runner.areCurrent(['accounts'])).toBe(true);
    };
    /** One that waits at each event after the position. */
    const heldAfter = (last: number) => {
      const gate = Promise.withResolvers<void>();
      const projection = new SampleProjection('accounts', 2);
      projection.beforeApply = ({ position }) => (position > last ? gate.promise : undefined);
      return { projection, open: gate.resolve };
    };

    it('given another version before, then it is refused with how far it is, until it has come to where the log was', async () => {
      const before = { ...sampleCopy(), name: 'accounts' };
      await fill(MAX_EVENTS_PER_TRANSACTION);
      await caughtUp(await start([before], database));
      await runners[0]?.stop();
      await fill(MAX_EVENTS_PER_TRANSACTION);
      const { projection, open } = heldAfter(MAX_EVENTS_PER_TRANSACTION);
      const runner = await start([projection], database);
      await runner.waitFor('accounts', 1n, 5_000);
      expectRefused(runner, /^accounts is being built: \d{1,2} % of the log is read$/, 5);
      expect(await runner.settle('accounts', 1n, 60_000)).toBe(false);
      expect(await runner.waitForAll(await store.head(), 0, { served: true })).toBe(true);
      open();
      expect(await caughtUp(runner)).toBe(true);
      expectRead(runner);
    });

    it('given an empty log, and once it has stopped, then it is read', async () => {
      const empty = await start([new SampleProjection()], database);
      expectRead(empty);
      await empty.stop();
      expect(refusal(empty)).toBeUndefined();
    });

    it('given a write that was answered before it had passed it, then it is refused until it has', async () => {
      await fill(3);
      const { projection, open } = heldAfter(3);
      const runner = await start([projection], database);
      await caughtUp(runner);
      expect(await runner.settle('accounts', 3n, 5_000)).toBe(true);
      await fill(2);
      expectRead(runner);
      expect(await runner.settle('accounts', 5n, 10)).toBe(false);
      expectRefused(runner, /^accounts has not come to what was answered before$/, 1);
      expect(await runner.waitForAll(5n, 10, { served: true })).toBe(false);
      open();
      await caughtUp(runner);
      expectRead(runner);
    });

    it('given that it has failed, then it is refused until it is rebuilt', async () => {
      await fill(5);
      const projection = new SampleProjection();
      projection.beforeApply = ({ position }) => {
        if (position === 4n) throw new RangeError('bad');
      };
      const runner = await start([projection, { ...sampleCopy(), name: 'copy' }], database);
      await runner.waitFor('accounts', 5n, 5_000);
      await runner.waitFor('copy', 5n, 5_000);
      expectRefused(runner, /^accounts has stopped at an event that it cannot apply$/, 30);
      expect(runner.areCurrent(['copy'])).toBe(true);
      expect(await runner.settle('accounts', 5n, 60_000)).toBe(false);
      expect(await runner.waitForAll(5n, 0, { served: true })).toBe(true);
      projection.beforeApply = () => undefined;
      runner.rebuild('accounts');
      expect(await runner.rebuilt('accounts')).toMatchObject({ state: 'completed' });
      expectRead(runner);
    });
  });

  it('given two projections of one name, then it refuses', () => {
    const projections = [new SampleProjection(), new SampleProjection()];
    expect(() => new ProjectionRunner({ store, database, clock: systemClock, logger, projections })).toThrow(
      'named accounts',
    );
  });

  it('given a projection that is slow, then the others and the writers do not wait for it', async () => {
    const slow = new SampleProjection();
    slow.beforeApply = () => sleep(50);
    await fill(7);
    for (let index = 7; index < 600; index += 1) {
      await store.append(`account-${index}`, 'no_stream', [sampleEvent(index)]);
    }
    const runner = await start([slow, { ...sampleCopy(), name: 'copies' }], database);
    expect(await runner.waitFor('copies', await store.head(), 60_000)).toBe(true);
    const { position } = await appendSample(store, 'account-1', 1);
    expect(await runner.waitFor('copies', position, 60_000)).toBe(true);
    // In turn with it, batch by batch of equal sizes, the slow one would be as far.
    const [behind] = await runner.statuses();
    expect(behind).toMatchObject({ name: 'accounts', state: 'starting' });
    expect(behind?.position).toBeLessThan(200n);
  });

  it('given events of one append, when applied, then a reader sees all of them or none', async () => {
    const runner = await start([new SampleProjection()], database);
    const { position } = await store.append(
      'account-1',
      'no_stream',
      [1, 2, 3].map((it) => sampleEvent(it)),
    );
    await runner.waitFor('accounts', position, 5_000);
    expect((await readSample(database)).accounts).toEqual([{ id: '1', balance: 6, revision: 2 }]);
  });
});

interface Copies {
  copies: { position: number };
}

/** A projection of the same events with a table of its own. */
function sampleCopy() {
  return {
    version: 1,
    categories: ['account'],
    tables: ['copies'] as const,
    createTables: ({ schema }: Kysely<Copies>) =>
      schema
        .createTable('copies')
        .addColumn('position', 'integer', (column) => column.primaryKey())
        .execute(),
    apply: async (transaction: Kysely<Copies>, event: RecordedEvent) => {
      await transaction
        .insertInto('copies')
        .values({ position: Number(event.position) })
        .execute();
    },
  };
}
