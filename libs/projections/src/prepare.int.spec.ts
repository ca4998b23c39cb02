import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { type Kysely, sql } from 'kysely';
import { type RecordedEvent, systemClock, unavailable } from '#kernel';
import {
  appendSample,
  describeOnReadDatabases,
  foldSample,
  InMemoryEventStore,
  RecordingLogger,
  readSample,
  SampleProjection,
  type SampleSchema,
  tablesAndIndexes,
} from '#testing';
import type { CreateIndex } from './projection.js';
import { ProjectionRunner } from './projection-runner.js';
import type { ReadDatabase } from './read-database.js';
import { replay } from './replay.js';

/** Notices each value that is not the one it made of the event. */
class PreparedProjection extends SampleProjection {
  readonly wrong: unknown[] = [];
  readonly prepared: bigint[] = [];
  beforePrepare: (event: RecordedEvent) => void = () => undefined;

  async prepare(events: readonly RecordedEvent[]): Promise<string[]> {
    for (const event of events) this.beforePrepare(event);
    this.prepared.push(...events.map(({ position }) => position));
    return events.map(({ id }) => `of ${id}`);
  }

  override async apply(
    transaction: Kysely<SampleSchema>,
    event: RecordedEvent,
    prepared?: unknown,
  ): Promise<void> {
    if (prepared !== `of ${event.id}`) this.wrong.push([event.id, prepared]);
    return super.apply(transaction, event);
  }
}

/** Takes its events together, and has a table beside the others. */
class TogetherProjection extends PreparedProjection {
  readonly indexTables = ['texts'];
  readonly taken: number[] = [];
  maintained = 0;

  override async createTables(database: Kysely<SampleSchema>, createIndex: CreateIndex): Promise<void> {
    await super.createTables(database, createIndex);
    await database.schema.createTable('texts').addColumn('id', 'integer').execute();
  }

  async applyAll(
    transaction: Kysely<SampleSchema>,
    events: readonly RecordedEvent[],
    prepared: readonly unknown[],
  ): Promise<void> {
    this.taken.push(events.length);
    await sql`insert into ${sql.table('texts')} values (${this.taken.length})`.execute(transaction);
    for (const [at, event] of events.entries()) await this.apply(transaction, event, prepared[at]);
  }

  async maintain(): Promise<void> {
    this.maintained += 1;
  }
}

await describeOnReadDatabases('what a projection prepares', ({ open }) => {
  let database: ReadDatabase;
  let store: InMemoryEventStore;
  let runner: ProjectionRunner | undefined;
  const log: RecordedEvent[] = [];

  const start = async (projection: SampleProjection) => {
    await runner?.stop();
    const logger = new RecordingLogger();
    runner = new ProjectionRunner({ store, database, clock: systemClock, logger, projections: [projection] });
    await runner.start();
    return runner;
  };
  const fill = async (count: number) => {
    for (let index = 0; index < count; index += 1) {
      log.push(await appendSample(store, `account-${index % 7}`, index));
    }
  };

  beforeEach(async () => {
    database = await open();
    store = new InMemoryEventStore();
    runner = undefined;
    log.length = 0;
  });
  afterEach(async () => {
    await runner?.stop();
    await store.close();
    await database.close();
  });

  it('comes with its own event: live, in a rebuild that compares, and in a replay', async () => {
    const projection = new PreparedProjection();
    await fill(150);
    const running = await start(projection);
    await fill(150);
    expect(await running.waitForAll(await store.head(), 10_000)).toBe(true);
    running.rebuild('accounts', { verify: true });
    await fill(60);
    expect(await running.rebuilt('accounts')).toMatchObject({ state: 'completed', differences: 0 });
    expect(await running.waitForAll(await store.head(), 10_000)).toBe(true);
    await replay(store, projection, ['account-1'], readSample);
    expect(projection.wrong).toEqual([]);
    expect(await readSample(database)).toEqual(foldSample(log));
  });

  it('is prepared in a rebuild while the transaction before is written', async () => {
    const projection = new PreparedProjection();
    const running = await start(projection);
    await fill(200);
    await running.waitForAll(await store.head(), 10_000);
    let aheadOfFirst = 0n;
    projection.prepared.length = 0;
    projection.beforeApply = ({ position }) => {
      if (position === log[0]?.position) aheadOfFirst = projection.prepared.at(-1) ?? 0n;
    };
    running.rebuild('accounts');
    await running.rebuilt('accounts');
    expect(aheadOfFirst).toBe(log[127]?.position);
  });

  it('when it fails for an event, then the projection stops there and holds what came before', async () => {
    const projection = new PreparedProjection();
    projection.beforePrepare = ({ data }) => {
      if (data.amount === 5) throw new RangeError('not to be prepared');
    };
    await fill(9);
    const running = await start(projection);
    await running.waitForAll(await store.head(), 10_000);
    const [status] = await running.statuses();
    expect(status).toMatchObject({
      state: 'failed',
      failure: { position: log[5]?.position, error: 'RangeError' },
    });
    expect(await readSample(database)).toEqual(foldSample(log.slice(0, 5)));
  });

  it('while it is not available, then the events are offered again', async () => {
    const projection = new PreparedProjection();
    let tries = 0;
    projection.beforePrepare = () => {
      tries += 1;
      if (tries < 3) throw unavailable('away');
    };
    await fill(9);
    const running = await start(projection);
    expect(await running.waitForAll(await store.head(), 10_000)).toBe(true);
    expect(await readSample(database)).toEqual(foldSample(log));
  });

  it('given that events are taken together, then so they are, with a table of its own that goes with the others', async () => {
    const projection = new TogetherProjection();
    await fill(150);
    const running = await start(projection);
    expect(await running.waitForAll(await store.head(), 10_000)).toBe(true);
    expect(await readSample(database)).toEqual(foldSample(log));
    expect(projection.taken.reduce((sum, count) => sum + count)).toBe(150);
    expect(projection.taken.length).toBeLessThan(50);
    running.rebuild('accounts', { verify: true });
    expect(await running.rebuilt('accounts')).toMatchObject({ state: 'completed', differences: 0 });
    expect(projection.wrong).toEqual([]);
    expect(projection.maintained).toBeGreaterThan(3);
    const tables = async () =>
      (await tablesAndIndexes(database)).tables.filter((it) => /texts|accounts/.test(it));
    expect(await tables()).toEqual(['accounts', 'texts']);
    await start(new SampleProjection('accounts', 2));
    expect(await tables()).toEqual(['accounts']);
  });
});
