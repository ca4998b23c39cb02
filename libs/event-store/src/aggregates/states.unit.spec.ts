import { setImmediate as nextTurn } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { type Clock, type RecordedEvent, systemClock } from '#kernel';
import { CountingEventStore, testContext as context, plainCodec, tally } from '#testing';
import { Aggregates } from '../aggregates.js';
import type { ReadOptions } from '../event-store.js';

let store: CountingEventStore;
beforeEach(() => {
  store = new CountingEventStore();
});

const exclusive = () => Object.assign(store, { exclusive: true });
const aggregates = (clock: Clock = systemClock) => new Aggregates(store, plainCodec, clock);
const count = (by: Aggregates, name = 'a', times = 1) =>
  by.execute(tally, '1', { name, by: 1, times }, { context });
const total = async (state: Promise<{ state: { total: number } }>) => (await state).state.total;

/** Holds back the answer of the first read that is meant, as a slow store does; answers what lets it go on. */
function slow(isMeant: (page: RecordedEvent[], options?: ReadOptions) => boolean): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  const read = store.read.bind(store);
  let isSlow = true;
  store.read = async (stream, options) => {
    const page = await read(stream, options);
    if (!isSlow || !isMeant(page, options)) return page;
    isSlow = false;
    await promise;
    return page;
  };
  return resolve;
}

async function someTurns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await nextTurn();
}

describe('what a load answers', () => {
  it('given another writer, then it is as of the log, and a peek is as it was known here', async () => {
    const [one, other] = [aggregates(), aggregates()];
    await count(one);
    await count(other);
    expect(await total(one.peek(tally, '1'))).toBe(1);
    expect(await total(one.load(tally, '1'))).toBe(2);
    expect(await total(one.peek(tally, '1'))).toBe(2);
    expect(await total(aggregates().peek(tally, '1'))).toBe(2);
  });

  it('given that nobody else writes, then what is known is not read again', async () => {
    exclusive();
    const one = aggregates();
    await one.execute(tally, '1', { name: 'a', by: 1 }, { context, expectNew: true });
    expect(await total(one.load(tally, '1'))).toBe(1);
    expect(store.eventsRead).toBe(0);
  });

  it('given many who ask for a long stream at once, then it is read once', async () => {
    exclusive();
    await count(aggregates(), 'a', 1_500);
    store.eventsRead = 0;
    const one = aggregates();
    await Promise.all(Array.from({ length: 50 }, () => one.load(tally, '1')));
    expect(store.eventsRead).toBeLessThan(1_600);
  });
});

describe('a state that comes late', () => {
  it('given a load that is slower than a command, then the newer state stays', async () => {
    exclusive();
    await count(aggregates());
    const one = aggregates();
    const release = slow((page, options) => page.length > 0 && !options?.backwards);
    const loading = one.load(tally, '1');
    const counting = count(one);
    await someTurns();
    release();
    await Promise.all([loading, counting]);
    expect(await total(one.load(tally, '1'))).toBe(2);
  });

  it('given another writer and a slow catch-up, then the newer state stays', async () => {
    const [one, other] = [aggregates(), aggregates()];
    await count(one);
    await count(other);
    const release = slow((page) => page.length === 0);
    const loading = one.load(tally, '1');
    await someTurns();
    expect((await count(one)).state.total).toBe(3);
    release();
    expect(await total(loading)).toBe(3);
    expect(await total(one.peek(tally, '1'))).toBe(3);
  });
});

describe('the times of a stream', () => {
  it('given a clock that is set back, then they do not go back', async () => {
    const clock = { now: () => new Date(time) };
    let time = Date.parse('2026-01-02T00:00:00Z');
    const one = aggregates(clock);
    await count(one);
    time -= 86_400_000;
    await count(one);
    await count(aggregates(clock));
    time += 86_400_001;
    await count(one);
    expect((await store.read('tally-1')).map(({ at }) => at)).toEqual([
      '2026-01-02T00:00:00.000Z',
      '2026-01-02T00:00:00.000Z',
      '2026-01-02T00:00:00.000Z',
      '2026-01-02T00:00:00.001Z',
    ]);
  });
});
