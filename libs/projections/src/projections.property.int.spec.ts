import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type RecordedEvent, systemClock } from '#kernel';
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
} from '#testing';
import { ProjectionRunner } from './projection-runner.js';
import type { ReadDatabase } from './read-database.js';

type Step =
  | { kind: 'append'; streams: string[] }
  | { kind: 'crash'; afterWrites: number; interruption: Interruption }
  | { kind: 'rebuild'; awaited: boolean }
  | { kind: 'pause'; turns: number };

const stream = fc.constantFrom('account-a', 'account-b', 'account-c', 'other-x');
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      streams: fc.array(stream, { maxLength: 90 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('crash' as const),
      afterWrites: fc.nat({ max: 12 }),
      interruption: fc.constantFrom<Interruption>('before_commit', 'after_commit', 'dead'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('rebuild' as const), awaited: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pause' as const), turns: fc.nat({ max: 30 }) }) },
);

/** A process: its runner, and a database that a crash takes away from it after some more writes. */
class Service {
  #writesLeft = Number.POSITIVE_INFINITY;
  #interruption: Interruption = 'none';
  readonly #projection = new SampleProjection();
  readonly #database: InterruptibleReadDatabase;
  readonly runner: ProjectionRunner;

  constructor(store: InMemoryEventStore, database: ReadDatabase) {
    this.#database = new InterruptibleReadDatabase(database, () => {
      this.#writesLeft -= 1;
      if (this.#writesLeft > 0) return 'none';
      return this.#writesLeft === 0 ? this.#interruption : 'dead';
    });
    const options = {
      store,
      clock: systemClock,
      logger: new RecordingLogger(),
      projections: [this.#projection],
    };
    this.runner = new ProjectionRunner({ ...options, database: this.#database });
  }

  async crash(afterWrites: number, interruption: Interruption): Promise<void> {
    this.#writesLeft = afterWrites + 1;
    this.#interruption = interruption;
    for (let turn = 0; turn < 20 && this.#writesLeft > 0; turn += 1) await new Promise(setImmediate);
    this.#database.kill();
    await this.runner.stop();
  }
}

async function run(steps: readonly Step[], database: ReadDatabase): Promise<void> {
  const store = new InMemoryEventStore();
  const log: RecordedEvent[] = [];
  let service = new Service(store, database);
  await service.runner.start();
  for (const it of steps) {
    if (it.kind === 'append')
      for (const name of it.streams) log.push(await appendSample(store, name, log.length));
    if (it.kind === 'pause') for (let turn = 0; turn < it.turns; turn += 1) await new Promise(setImmediate);
    if (it.kind === 'rebuild') {
      if (service.runner.rebuildStatus('accounts')?.state !== 'running') service.runner.rebuild('accounts');
      if (it.awaited) expect((await service.runner.rebuilt('accounts'))?.state).toBe('completed');
    }
    if (it.kind === 'crash') {
      await service.crash(it.afterWrites, it.interruption);
      service = new Service(store, database);
      await service.runner.start();
    }
  }
  expect(await service.runner.waitFor('accounts', await store.head(), 10_000)).toBe(true);
  await service.runner.rebuilt('accounts');
  expect(await readSample(database)).toEqual(foldSample(log));
  await service.runner.stop();
  await store.close();
}

await describeOnReadDatabases('projections', ({ open, dialect }) => {
  it('given any events, batches, crashes and rebuilds, then the tables equal the fold of the log', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
        const database = await open();
        await run(steps, database).finally(() => database.close());
      }),
      { numRuns: dialect === 'sqlite' ? 60 : 15 },
    );
  });
});
