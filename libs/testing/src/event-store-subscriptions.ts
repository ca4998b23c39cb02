import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import type { Batch } from '#event-store';
import { categoryOf } from '#kernel';
import {
  type Declarable,
  type EventStoreBench,
  freshCategory,
  idsOf,
  newEvents,
} from './event-store-bench.js';

/** What must have settled meanwhile, had it not been held back. */
async function someTurns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await nextTurn();
}

/** A subscription to the test's own category with small batches, so that a few events make several. */
const subscribe = (bench: EventStoreBench, onBatch: (batch: Batch) => Promise<void>, maxBatchSize = 5) =>
  bench.store.subscribe({ after: 0n, categories: [bench.category], maxBatchSize }, onBatch);

export function describeDelivery(bench: () => EventStoreBench): void {
  it('given a subscription from the beginning, then it gets what was and what comes, in order', async () => {
    const { category, store } = bench();
    const stream = bench().stream();
    await store.append(stream, 'no_stream', newEvents(3));
    const collector = bench().collector();
    const subscription = store.subscribe({ after: 0n, categories: [category] }, collector.onBatch);
    await collector.when(() => collector.events.length >= 3);
    const { position } = await store.append(stream, 2, newEvents(3));
    await collector.passed(position);
    expect(collector.events).toEqual(await store.read(stream));
    await subscription.close();
  });

  it('given a position, then a subscription begins just after it', async () => {
    const { category, store } = bench();
    const { events } = await bench().appendNew(5);
    const collector = bench().collector();
    const after = events[1]?.position ?? 0n;
    const subscription = store.subscribe({ after, categories: [category] }, collector.onBatch);
    await collector.passed(events[4]?.position ?? 0n);
    expect(idsOf(collector.events)).toEqual(idsOf(events.slice(2)));
    await subscription.close();
  });

  it('given no categories, then a subscription gets every event', async () => {
    const after = await bench().store.head();
    const collector = bench().collector();
    const subscription = bench().store.subscribe({ after }, collector.onBatch);
    const own = [await bench().appendNew(2), await bench().appendNew(2, freshCategory())];
    const { position } = await bench().appendNew(1);
    await collector.passed(position);
    const seen = idsOf(collector.events);
    for (const { events } of own) expect(seen).toEqual(expect.arrayContaining(idsOf(events)));
    const positions = collector.events.map((event) => event.position);
    expect(positions).toEqual([...new Set(positions)].sort((a, b) => Number(a - b)));
    await subscription.close();
  });

  it('given appends go on while it catches up, then nothing is lost and nothing comes twice', async () => {
    const { category, store } = bench();
    await bench().appendMany(300);
    const collectors = Array.from({ length: 4 }, () => bench().collector());
    const subscriptions = [];
    for (const collector of collectors) {
      const options = { after: 0n, categories: [category], maxBatchSize: 7 };
      subscriptions.push(store.subscribe(options, collector.onBatch));
      await bench().appendMany(100);
    }
    const last = await bench().appendMany(1);
    await Promise.all(collectors.map((collector) => collector.passed(last)));
    const [first] = collectors;
    const positions = (first?.events ?? []).map(({ position }) => position);
    expect(positions).toEqual([...new Set(positions)].sort((a, b) => Number(a - b)));
    expect(positions).toHaveLength(701);
    for (const collector of collectors) expect(collector.events).toEqual(first?.events);
    await Promise.all(subscriptions.map((subscription) => subscription.close()));
  });
}

export function describeFilters(bench: () => EventStoreBench, declarable: Declarable): void {
  it('given categories, then a subscription gets those alone, caught up or live', async () => {
    const [second, foreign] = [freshCategory(), `${bench().category}x`];
    const appendToAll = async () => {
      for (const category of [bench().category, foreign, second]) await bench().appendNew(2, category);
      return bench().store.head();
    };
    await appendToAll();
    const collector = bench().collector();
    const categories = [bench().category, second];
    const subscription = bench().store.subscribe({ after: 0n, categories }, collector.onBatch);
    await collector.when(() => collector.events.length >= 4);
    await appendToAll();
    await collector.when(() => collector.events.length >= 8);
    expect(collector.events.map(({ stream }) => categoryOf(stream))).toEqual(
      [...categories, ...categories].flatMap((category) => [category, category]),
    );
    await subscription.close();
  });

  declarable(
    'reopening',
    'given a log that was reopened, then a subscription catches up all the same',
    async () => {
      const foreign = freshCategory();
      for (let round = 0; round < 20; round++) {
        await bench().appendNew(2);
        await bench().appendNew(300, foreign);
      }
      await bench().harness.reopen();
      const collector = bench().collector();
      const options = { after: 0n, categories: [bench().category], maxBatchSize: 7 };
      const subscription = bench().store.subscribe(options, collector.onBatch);
      const last = await bench().appendMany(100);
      await collector.passed(last);
      const positions = collector.events.map(({ position }) => position);
      expect(positions).toEqual([...new Set(positions)].sort((a, b) => Number(a - b)));
      expect(positions).toHaveLength(140);
      expect(new Set(collector.events.map(({ stream }) => categoryOf(stream)))).toEqual(
        new Set([bench().category]),
      );
      await subscription.close();
    },
  );

  declarable('empty batches', 'given only foreign events, then the position moves all the same', async () => {
    const collector = bench().collector();
    const options = { after: await bench().store.head(), categories: [bench().category] };
    const subscription = bench().store.subscribe(options, collector.onBatch);
    const last = await bench().appendMany(50, freshCategory());
    await collector.passed(last);
    expect(collector.events).toEqual([]);
    expect(collector.batches.at(-1)?.position).toBe(last);
    await subscription.close();
  });
}

export function describePace(bench: () => EventStoreBench): void {
  it('given a batch under way, then no other is offered, and none is larger than was asked for', async () => {
    const collector = bench().collector();
    collector.shut();
    const subscription = subscribe(bench(), collector.onBatch);
    await bench().appendMany(10);
    await collector.when(() => collector.events.length > 0);
    const last = await bench().appendMany(30);
    await someTurns();
    const offered = collector.batches.filter(({ events }) => events.length > 0);
    expect(offered).toHaveLength(1);
    collector.open();
    await collector.passed(last);
    expect(Math.max(...collector.batches.map(({ events }) => events.length))).toBeLessThanOrEqual(5);
    expect(new Set(idsOf(collector.events)).size).toBe(40);
    expect(collector.events).toHaveLength(40);
    await subscription.close();
  });

  it('given a handler that rejects, then the same batch is offered again before any other', async () => {
    const last = await bench().appendMany(12);
    const [collector, offered] = [bench().collector(), [] as Batch[]];
    const subscription = subscribe(bench(), async (batch) => {
      offered.push(batch);
      if (offered.length <= 2) throw new Error('not yet');
      await collector.onBatch(batch);
    });
    await collector.passed(last);
    expect(offered[1]).toEqual(offered[0]);
    expect(offered[2]).toEqual(offered[0]);
    expect(collector.events).toHaveLength(12);
    expect(new Set(idsOf(collector.events)).size).toBe(12);
    await subscription.close();
  });

  it('given one subscriber that stands still, then appends and the others go on, and it misses nothing', async () => {
    const [slow, fast] = [bench().collector(), bench().collector()];
    slow.shut();
    const subscriptions = [subscribe(bench(), slow.onBatch), subscribe(bench(), fast.onBatch, 512)];
    await bench().appendMany(1);
    await slow.when(() => slow.events.length > 0);
    for (let round = 0; round < 60; round++) await bench().appendNew(100);
    const last = await bench().store.head();
    await fast.passed(last);
    expect(slow.events).toHaveLength(1);
    slow.open();
    await slow.passed(last);
    expect(slow.events).toEqual(fast.events);
    expect(slow.events).toHaveLength(6_001);
    await Promise.all(subscriptions.map((subscription) => subscription.close()));
  });
}

export function describeClosing(bench: () => EventStoreBench, declarable: Declarable): void {
  it('given a batch under way, then closing waits for it and nothing is offered afterwards', async () => {
    const collector = bench().collector();
    collector.shut();
    const subscription = subscribe(bench(), collector.onBatch);
    await bench().appendMany(10);
    await collector.when(() => collector.events.length > 0);
    const offered = collector.batches.length;
    let hasClosed = false;
    const closed = subscription.close().then(() => {
      hasClosed = true;
    });
    await someTurns();
    expect(hasClosed).toBe(false);
    collector.open();
    await closed;
    await bench().appendMany(10);
    await someTurns();
    expect(collector.batches).toHaveLength(offered);
  });

  it('given a handler that always rejects, then closing ends the retries', async () => {
    let offers = 0;
    const offered = Promise.withResolvers<void>();
    const subscription = subscribe(bench(), () => {
      offers++;
      offered.resolve();
      return Promise.reject(new Error('never'));
    });
    await bench().appendMany(1);
    await offered.promise;
    await someTurns();
    const before = offers;
    await subscription.close();
    expect(offers).toBe(before);
  });

  declarable(
    'reopening',
    'given a handler that appends, then it can, also while the store is closing',
    async () => {
      const stream = bench().stream(freshCategory());
      const asked = Promise.withResolvers<void>();
      subscribe(bench(), async () => {
        asked.resolve();
        await someTurns();
        await bench().store.append(stream, 'no_stream', newEvents(1));
      });
      await bench().appendMany(1);
      await asked.promise;
      await bench().store.close();
      const store = await bench().harness.reopen();
      expect(await store.read(stream)).toHaveLength(1);
    },
  );
}
