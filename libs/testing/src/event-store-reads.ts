import { expect, it } from '@jest/globals';
import { MAX_PAGE_BYTES, MAX_PAGE_EVENTS, pages, type StreamRange } from '#event-store';
import type { RecordedEvent } from '#kernel';
import { type EventStoreBench, idsOf, newEvent, newEvents } from './event-store-bench.js';
import { readAll } from './whole-stream.js';

const LONG = 2_000;
const AT_ONCE = 250;

export function describeReads(bench: () => EventStoreBench): void {
  it('given a revision to read from, then only what is at it and after it comes', async () => {
    const [stream, events] = [bench().stream(), newEvents(4)];
    await bench().store.append(stream, 'no_stream', events);
    expect(idsOf(await bench().store.read(stream, { from: 2 }))).toEqual(idsOf(events.slice(2)));
    expect(idsOf(await bench().store.read(stream, { from: 1, limit: 2 }))).toEqual(idsOf(events.slice(1, 3)));
    expect(await bench().store.read(stream, { from: 4 })).toEqual([]);
    expect(await bench().store.read(bench().stream())).toEqual([]);
  });

  it('given backwards, then the newest comes first, down from the revision or from the end', async () => {
    const [stream, events] = [bench().stream(), newEvents(4)];
    await bench().store.append(stream, 'no_stream', events);
    const read = async (options: { from?: number; limit?: number }) =>
      (await bench().store.read(stream, { ...options, backwards: true })).map(({ revision }) => revision);
    expect(await read({})).toEqual([3, 2, 1, 0]);
    expect(await read({ limit: 2 })).toEqual([3, 2]);
    expect(await read({ from: 2, limit: 2 })).toEqual([2, 1]);
    expect(await read({ from: 0 })).toEqual([0]);
    expect(await bench().store.read(bench().stream(), { backwards: true })).toEqual([]);
    const backwards = await bench().store.read(stream, { backwards: true });
    expect(backwards.toReversed()).toEqual(await bench().store.read(stream));
  });

  it('given a long stream, then no read answers more than a page, and the pages hold each event once', async () => {
    const stream = bench().stream();
    for (let done = 0; done < LONG; done += AT_ONCE) {
      await bench().store.append(stream, done === 0 ? 'no_stream' : done - 1, newEvents(AT_ONCE));
    }
    for (const limit of [undefined, LONG]) {
      const options = limit === undefined ? {} : { limit };
      expect((await bench().store.read(stream, options)).length).toBeLessThanOrEqual(MAX_PAGE_EVENTS);
    }
    const all = Array.from({ length: LONG }, (_, revision) => revision);
    const revisions = async (range?: StreamRange) => {
      const read: RecordedEvent[][] = [];
      for await (const page of pages(bench().store, stream, range)) read.push(page);
      expect(Math.max(...read.map((page) => page.length))).toBeLessThanOrEqual(MAX_PAGE_EVENTS);
      return read.flat().map(({ revision }) => revision);
    };
    expect(await revisions()).toEqual(all);
    expect(await revisions({ from: 300, to: 1_500 })).toEqual(all.slice(300, 1_501));
    expect(await revisions({ from: 1_900, to: 5_000 })).toEqual(all.slice(1_900));
    expect(await revisions({ from: 1_500, to: 700, backwards: true })).toEqual(
      all.slice(700, 1_501).reverse(),
    );
    expect(await revisions({ from: LONG - 1, backwards: true })).toEqual(all.toReversed());
  });

  it('given large events, then a page ends soon after its bytes do, and reading on misses none', async () => {
    const [stream, text] = [bench().stream(), 'x'.repeat(1_000_000)];
    const ids: string[] = [];
    for (let revision = 0; revision < 10; revision++) {
      const event = newEvent({ text });
      ids.push(event.id);
      await bench().store.append(stream, revision === 0 ? 'no_stream' : revision - 1, [event]);
    }
    const most = Math.ceil(MAX_PAGE_BYTES / text.length);
    for (const backwards of [false, true]) {
      const page = await bench().store.read(stream, { backwards });
      expect(page.length).toBeGreaterThan(0);
      expect(page.length).toBeLessThanOrEqual(most);
    }
    expect(idsOf(await readAll(bench().store, stream))).toEqual(ids);
  });
}
