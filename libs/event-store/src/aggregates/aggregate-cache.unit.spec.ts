import { describe, expect, it } from '@jest/globals';
import { absent, type Known } from './aggregate.js';
import { AggregateCache } from './aggregate-cache.js';

const known = (revision: number, state: unknown): Known<unknown> => ({
  ...absent({ initialState: state }),
  revision,
});

describe('the cache of aggregates', () => {
  it('given an older state than it has, then the newer one stays and is answered', () => {
    const cache = new AggregateCache({ maxEntries: 10, maxBytes: 100_000 });
    const [older, newer, newest] = [known(0, 'a'), known(1, 'b'), known(2, 'c')];
    expect(cache.put('x-1', newer)).toBe(newer);
    expect(cache.put('x-1', older)).toBe(newer);
    expect(cache.get('x-1')).toBe(newer);
    expect(cache.put('x-1', newest)).toBe(newest);
    expect(cache.get('x-1')).toBe(newest);
  });

  it('given large states, then fewer are kept than entries would be', () => {
    const cache = new AggregateCache({ maxEntries: 10_000, maxBytes: 10_000_000 });
    const metadata = () =>
      Object.fromEntries(Array.from({ length: 16 }, (_, n) => [`k${n}`, 'x'.repeat(1_000)]));
    const holds = () =>
      new Map(Array.from({ length: 16 }, (_, n) => [`hold-${n}`, { note: 'x'.repeat(1_000) }]));
    for (const state of [metadata, holds]) {
      for (let stream = 0; stream < 2_000; stream++) cache.put(`x-${stream}`, known(stream, state()));
      const kept = Array.from({ length: 2_000 }, (_, n) => cache.get(`x-${n}`)).filter(Boolean).length;
      expect(kept).toBeGreaterThan(300);
      expect(kept).toBeLessThan(700);
    }
  });

  it('given states that grow, then what they have come to counts', () => {
    const cache = new AggregateCache({ maxEntries: 10_000, maxBytes: 1_000_000 });
    for (let stream = 0; stream < 40; stream++) {
      for (let revision = 0; revision < 100; revision++) {
        const notes = Array.from({ length: revision + 1 }, () => 'x'.repeat(1_000));
        cache.put(`x-${stream}`, known(revision, notes));
      }
    }
    const kept = Array.from({ length: 40 }, (_, n) => cache.get(`x-${n}`)).filter(Boolean).length;
    expect(kept).toBeGreaterThan(5);
    expect(kept).toBeLessThan(20);
  });

  it('given a state beyond all bounds, then it is not kept, and no older one either', () => {
    const cache = new AggregateCache({ maxEntries: 10, maxBytes: 10_000 });
    cache.put('x-1', known(0, 'a'));
    const large = known(1, 'x'.repeat(20_000));
    expect(cache.put('x-1', large)).toBe(large);
    expect(cache.get('x-1')).toBeUndefined();
  });
});
