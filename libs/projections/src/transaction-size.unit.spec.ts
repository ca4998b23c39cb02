import { describe, expect, it } from '@jest/globals';
import type { Batch } from '#event-store';
import type { RecordedEvent } from '#kernel';
import { TransactionSize } from './transaction-size.js';

/** One event for each stream named, at the positions 1, 2, 3 and so on. */
const batchOf = (streams: readonly string[]): Batch => ({
  events: streams.map((stream, index) => ({ stream, position: BigInt(index + 1) }) as RecordedEvent),
  position: 1_000n,
});
const strangers = (count: number) => Array.from({ length: count }, (_, index) => `account-${index}`);
const sizes = (size: TransactionSize, streams: readonly string[]) =>
  [...size.slices(batchOf(streams))].map(({ events }) => events.length);
const take = (size: TransactionSize, count: number, ms: number) =>
  size.measure(batchOf(strangers(count)).events, async () => {
    const end = performance.now() + ms;
    while (performance.now() < end);
  });

describe('TransactionSize', () => {
  it('given nothing measured, then it begins with few, and the slices are the batch', () => {
    const slices = [...new TransactionSize('sqlite').slices(batchOf(strangers(20)))];
    expect(slices.map(({ events }) => events.length)).toEqual([8, 8, 4]);
    expect(slices.map(({ position }) => position)).toEqual([8n, 16n, 1_000n]);
    const positions = slices.flatMap(({ events }) => events.map(({ position }) => Number(position)));
    expect(positions).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
  });

  it('given no events, then there is one slice, which has none', () => {
    expect(sizes(new TransactionSize('sqlite'), [])).toEqual([0]);
  });

  it('given fast transactions, then they grow up to the most that is allowed', async () => {
    const size = new TransactionSize('sqlite');
    for (const count of [8, 16, 32, 64, 64]) await take(size, count, 0);
    expect(sizes(size, strangers(200))).toEqual([64, 64, 64, 8]);
  });

  it('given a transaction that took long, then they shrink, to single events at last', async () => {
    const size = new TransactionSize('sqlite');
    await take(size, 8, 400);
    expect(sizes(size, strangers(3))).toEqual([1, 1, 1]);
  });

  it('given an engine on which nobody else waits, then slow ones grow as well', async () => {
    const size = new TransactionSize('postgres');
    await take(size, 8, 100);
    expect(sizes(size, strangers(40))).toEqual([16, 16, 8]);
  });

  it('given events that follow one another in one stream, then they stay together', () => {
    const streams = [...strangers(7), 'budget-1', 'budget-1', 'budget-1', 'budget-2', 'budget-3'];
    expect(sizes(new TransactionSize('sqlite'), streams)).toEqual([10, 2]);
  });
});
