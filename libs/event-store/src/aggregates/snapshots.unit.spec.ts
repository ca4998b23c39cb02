import { setImmediate as nextTurn } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Decider, runRepeatably, systemClock } from '#kernel';
import {
  type Count,
  CountingEventStore,
  testContext as context,
  plainCodec,
  readAll,
  SampleSnapshots,
  type Tally,
  tally,
} from '#testing';
import { Aggregates } from '../aggregates.js';

let store: CountingEventStore;
let snapshots: SampleSnapshots;
beforeEach(() => {
  store = new CountingEventStore();
  snapshots = new SampleSnapshots();
});

const process = () => new Aggregates(store, plainCodec, systemClock, { snapshots });
const count = (by: Aggregates, times = 1, decider = tally) =>
  by.execute(decider, '1', { name: `name-${times % 7}`, by: 1, times }, { context });
const snapshot = () => snapshots.store.snapshots.get('tally-1');

/** A stream of that length, whose events no snapshot is made of. */
async function history(length: number): Promise<void> {
  const alone = new Aggregates(store, plainCodec, systemClock);
  for (let left = length; left > 0; left -= 250) await count(alone, Math.min(left, 250));
}

/** What a fresh process reads for its first command, and what state it comes to. */
async function firstCommand(by = process()): Promise<{ read: number; total: number }> {
  store.eventsRead = 0;
  const { state } = await count(by);
  await settled();
  return { read: store.eventsRead, total: state.total };
}

/** Snapshots are made beside the commands. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await nextTurn();
}

describe('the snapshot of a long stream', () => {
  it('given that all of it had to be read once, then the next process reads what came since', async () => {
    await history(5_000);
    expect(await firstCommand()).toEqual({ read: 5_001, total: 5_001 });
    expect(snapshot()).toMatchObject({ stream: 'tally-1', version: 1, revision: 4_999 });
    expect(await firstCommand()).toEqual({ read: 3, total: 5_002 });
  });

  it('given a process that only appends, then it leaves one every 500 events', async () => {
    const one = process();
    for (let command = 0; command < 499; command++) await count(one);
    await settled();
    expect(snapshot()).toBeUndefined();
    await count(one);
    await settled();
    expect(snapshot()).toMatchObject({ revision: 499 });
    for (let command = 0; command < 520; command++) await count(one);
    await settled();
    expect(snapshot()).toMatchObject({ revision: 999 });
    expect(await firstCommand()).toEqual({ read: 22, total: 1_021 });
  });

  it('given a short stream, then there is none, and none is looked for', async () => {
    await history(200);
    const find = snapshots.store.find.bind(snapshots.store);
    let found = 0;
    snapshots.store.find = (...place) => {
      found += 1;
      return find(...place);
    };
    await firstCommand();
    expect([snapshot(), found]).toEqual([undefined, 0]);
  });
});

describe('a snapshot that is of no use', () => {
  beforeEach(async () => {
    await history(1_000);
    await firstCommand();
  });

  it.each<[string, (kept: NonNullable<ReturnType<typeof snapshot>>) => object]>([
    ['damaged', ({ sealed }) => ({ sealed: sealed.slice(1) })],
    ['of another stream', ({ sealed }) => ({ sealed: sealed.replace('tally-1', 'tally-2') })],
    ['past the end of the stream', () => ({ revision: 5_000 })],
    ['of an event that the log does not hold there', () => ({ revision: 600 })],
  ])(
    'given that it is %s, then the stream is folded from its beginning and it is made again',
    async (_, alter) => {
      const kept = snapshot();
      if (!kept) throw new Error('no snapshot was made');
      await snapshots.store.put({ ...kept, ...alter(kept) });
      const { read, total } = await firstCommand();
      expect(total).toBe(1_002);
      expect(read).toBeGreaterThan(1_000);
      expect(snapshot()).toMatchObject({ revision: 1_000 });
      expect((await firstCommand()).read).toBeLessThan(10);
    },
  );

  it('given a newer form of the state, then it is made again, and an older process goes its own way', async () => {
    const next: Decider<Tally, Count, never> = { ...tally, snapshot: { ...form(), version: 2 } } as never;
    store.eventsRead = 0;
    expect((await count(process(), 1, next as never)).state.total).toBe(1_002);
    expect(store.eventsRead).toBeGreaterThan(1_000);
    await settled();
    expect(snapshot()).toMatchObject({ version: 2 });
    expect((await firstCommand()).total).toBe(1_003);
  });

  it('given that its key is destroyed, then the stream is folded from its beginning', async () => {
    snapshots.codec = { ...snapshots.codec, open: async () => null };
    const { read, total } = await firstCommand();
    expect([read > 1_000, total]).toEqual([true, 1_002]);
    expect(snapshots.failures).toEqual([]);
  });
});

describe('a failure of snapshots', () => {
  it('given a store that answers nothing, then commands are answered all the same', async () => {
    await history(300);
    snapshots.store.put = () => new Promise(() => undefined);
    expect((await count(process())).state.total).toBe(301);
  });

  it.each(['find', 'put'] as const)(
    'given that %s fails, then it is told, and nothing else',
    async (method) => {
      await history(1_000);
      const failure = new Error('out of reach');
      Object.assign(snapshots.store, { [method]: () => Promise.reject(failure) });
      expect((await firstCommand()).total).toBe(1_001);
      expect(snapshots.failures).toContain(failure);
    },
  );
});

const form = () => {
  if (!tally.snapshot) throw new Error('the sample has a form of its state');
  return tally.snapshot;
};

type Step = { kind: 'count'; times: number; repeat: boolean } | { kind: 'restart' | 'lose' | 'age' };

describe('states by way of snapshots', () => {
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('count' as const),
        times: fc.integer({ min: 1, max: 300 }),
        repeat: fc.boolean(),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constantFrom('restart' as const, 'lose' as const, 'age' as const) }),
    },
  );

  it('given any commands, restarts and losses, then they are what the events add up to', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
        store = new CountingEventStore();
        snapshots = new SampleSnapshots();
        await settled();
        let one = process();
        for (const [number, next] of steps.entries()) one = await taken(next, number, one);
        await settled();
        const folded = (await readAll(store, 'tally-1')).reduce(
          (state, event) => tally.evolve(state, event as never),
          tally.initialState,
        );
        for (const aggregates of [one, process()]) {
          expect((await aggregates.load(tally, '1')).state).toEqual(folded);
        }
        expect(snapshots.failures).toEqual([]);
      }),
      { numRuns: 30 },
    );
  });

  let older: ReturnType<typeof snapshot>;
  async function taken(next: Step, number: number, one: Aggregates): Promise<Aggregates> {
    if (next.kind === 'lose') snapshots.store.snapshots.clear();
    // An older one comes back, as from a process that was slow.
    if (next.kind === 'age' && older) await snapshots.store.put(older);
    older = snapshot();
    if (next.kind !== 'count') return next.kind === 'restart' ? process() : one;
    const positionAtBegin = await store.head();
    const begun = { startedAt: 0, positionAtBegin, draw: () => new Uint8Array() };
    const request = { id: `request-${number}`, ...begun };
    const own = { context: { ...context, causationId: request.id } };
    const command = { name: `name-${number % 3}`, by: 1, times: next.times };
    const run = (by: Aggregates, resumed: boolean) =>
      runRepeatably({ ...request, resumed }, () => by.execute(tally, '1', command, own));
    const made = await run(one, false);
    if (next.repeat) expect(await run(process(), true)).toEqual(made);
    return one;
  }
});
