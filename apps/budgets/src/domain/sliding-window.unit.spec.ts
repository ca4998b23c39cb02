import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { SlidingWindow } from './sliding-window.js';

const NOON = Date.parse('2028-02-29T12:00:00.000Z');
const WINDOW_MS = 10_000;
const SLICE_MS = 200;

describe('a sliding window', () => {
  it('given its limit is used up, then it refuses until the time that it told, and then allows all of it', () => {
    const window = new SlidingWindow(WINDOW_MS);
    expect(window.consume(3, 2, NOON)).toMatchObject({ allowed: true, remaining: 1 });
    const last = window.consume(3, 1, NOON + 150);
    expect(last).toEqual({ allowed: true, remaining: 0, resetAtMs: NOON + SLICE_MS + WINDOW_MS });
    expect(window.consume(3, 1, last.resetAtMs - 1)).toEqual({ ...last, allowed: false });
    expect(window.consume(3, 3, last.resetAtMs)).toMatchObject({ allowed: true, remaining: 0 });
  });

  it('given a cost above what remains, then nothing is used up', () => {
    const window = new SlidingWindow(WINDOW_MS);
    expect(window.consume(3, 4, NOON)).toEqual({ allowed: false, remaining: 3, resetAtMs: NOON });
    expect(window.consume(3, 3, NOON)).toMatchObject({ allowed: true, remaining: 0 });
  });

  it('given a limit lowered below what is used, then nothing remains', () => {
    const window = new SlidingWindow(WINDOW_MS);
    window.consume(3, 3, NOON);
    expect(window.consume(2, 1, NOON)).toMatchObject({ allowed: false, remaining: 0 });
    expect(window.consume(4, 1, NOON)).toMatchObject({ allowed: true, remaining: 0 });
  });

  it('given uses at different times, then each comes back on its own', () => {
    const window = new SlidingWindow(WINDOW_MS);
    window.consume(2, 1, NOON);
    window.consume(2, 1, NOON + 5_000);
    expect(window.consume(2, 1, NOON + WINDOW_MS)).toMatchObject({ allowed: false });
    expect(window.consume(2, 2, NOON + WINDOW_MS + SLICE_MS)).toMatchObject({ allowed: false, remaining: 1 });
    expect(window.consume(2, 1, NOON + WINDOW_MS + SLICE_MS)).toMatchObject({ allowed: true, remaining: 0 });
  });

  it('given a clock that goes back a year, then what was used counts as used then', () => {
    const window = new SlidingWindow(WINDOW_MS);
    window.consume(2, 2, NOON);
    const before = NOON - 366 * 86_400_000;
    const refused = window.consume(2, 1, before);
    expect(refused).toEqual({ allowed: false, remaining: 0, resetAtMs: before + SLICE_MS + WINDOW_MS });
    expect(window.consume(2, 2, refused.resetAtMs)).toMatchObject({ allowed: true });
  });

  it('given any uses, then no span of its length sees more than the limit, and none waits longer than told', () => {
    const use = fc.record({ after: fc.nat({ max: 4_000 }), cost: fc.integer({ min: 1, max: 4 }) });
    fc.assert(
      fc.property(fc.array(use, { maxLength: 200 }), fc.integer({ min: 1, max: 9 }), (uses, limit) => {
        const window = new SlidingWindow(WINDOW_MS);
        const allowed: { at: number; cost: number }[] = [];
        const usedSince = (at: number) =>
          allowed.reduce((sum, past) => sum + (past.at > at ? past.cost : 0), 0);
        let now = NOON;
        for (const { after, cost } of uses) {
          now += after;
          const consumed = window.consume(limit, cost, now);
          if (consumed.allowed) allowed.push({ at: now, cost });
          expect(usedSince(now - WINDOW_MS)).toBeLessThanOrEqual(limit);
          const surely = usedSince(now - WINDOW_MS - SLICE_MS);
          if (!consumed.allowed) expect(surely + cost).toBeGreaterThan(limit);
          expect(consumed.remaining).toBeGreaterThanOrEqual(Math.max(0, limit - surely));
          expect(consumed.resetAtMs).toBeLessThanOrEqual(now + WINDOW_MS + SLICE_MS);
        }
      }),
    );
  });
});
