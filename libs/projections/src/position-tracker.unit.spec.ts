import { describe, expect, it } from '@jest/globals';
import { PositionTracker } from './position-tracker.js';

describe('a position that is waited for', () => {
  it('given 10,000 who wait, then the next is told no at once, and those as soon as it comes', async () => {
    const tracker = new PositionTracker();
    tracker.startAt(1n);
    const waiting = Array.from({ length: 10_000 }, () => tracker.waitFor(2n, 60_000));
    expect(await tracker.waitFor(2n, 60_000)).toBe(false);
    tracker.advance(2n);
    expect(new Set(await Promise.all(waiting))).toEqual(new Set([true]));
    const next = tracker.waitFor(3n, 60_000);
    tracker.halt();
    expect(await next).toBe(false);
  });

  it('given a position that was told without waiting, then it is owed until it comes, wherever it starts again', () => {
    const tracker = new PositionTracker();
    tracker.startAt(5n);
    tracker.owe(4n);
    expect(tracker.owes).toBe(false);
    tracker.owe(7n);
    tracker.owe(6n);
    tracker.advance(6n);
    expect(tracker.owes).toBe(true);
    tracker.advance(7n);
    expect(tracker.owes).toBe(false);
    tracker.startAt(2n);
    expect(tracker.owes).toBe(true);
  });
});
