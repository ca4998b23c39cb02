import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { TextIndex } from './text-index.js';

const word = fc.string({
  unit: fc.constantFrom('a', 'b', 'é', 'ß', '\u0307', '7', '\u{1F600}'),
  minLength: 1,
  maxLength: 5,
});
const words = fc.array(word, { maxLength: 4 });
const tags = fc.uniqueArray(fc.constantFrom('0a', 'ff01', 'b'), { maxLength: 2 });
const change = fc.oneof(
  fc.record({ kind: fc.constant('put' as const), id: fc.nat({ max: 30 }), words, tags }),
  fc.record({ kind: fc.constant('remove' as const), id: fc.nat({ max: 30 }) }),
);
const question = fc.record({
  words: fc.array(word, { minLength: 1, maxLength: 3 }),
  tags,
  after: fc.nat({ max: 31 }),
  limit: fc.integer({ min: 1, max: 10 }),
});

describe('a text index', () => {
  let index: TextIndex;
  beforeEach(() => {
    index = new TextIndex();
  });
  afterEach(() => index.close());

  it('answers as a plain search of all texts does, whatever was put and removed before', () => {
    const rounds = fc.array(fc.tuple(fc.array(change, { maxLength: 12 }), question), { maxLength: 8 });
    fc.assert(
      fc.property(rounds, (all) => {
        index.close();
        index = new TextIndex();
        const model = new Map<number, { words: readonly string[]; tags: readonly string[] }>();
        for (const [changes, { after, limit, ...query }] of all) {
          for (const { id, ...next } of changes) {
            if (next.kind === 'put') {
              index.put([{ id, ...next }]);
              model.set(id, next);
            } else {
              index.remove([id]);
              model.delete(id);
            }
          }
          const whole = query.words.slice(0, -1);
          const last = query.words.at(-1)!;
          const found = [...model]
            .filter(([, text]) => whole.every((it) => text.words.includes(it)))
            .filter(([, text]) => text.words.some((it) => it.startsWith(last)))
            .filter(([, text]) => query.tags.every((it) => text.tags.includes(it)))
            .map(([id]) => id)
            .sort((one, other) => one - other);
          expect(index.count(query)).toBe(found.length);
          const newest = found.filter((id) => id < after).reverse();
          expect(index.page(query, { after, limit, descending: true })).toEqual(newest.slice(0, limit));
          const oldest = found.filter((id) => id > after);
          expect(index.page(query, { after, limit, descending: false })).toEqual(oldest.slice(0, limit));
        }
      }),
      { numRuns: 100 },
    );
  });

  it('keeps tags apart from words', () => {
    index.put([{ id: 1, words: ['ann'], tags: ['0a'] }]);
    expect(index.count({ words: ['0a'], tags: [] })).toBe(0);
    expect(index.count({ words: ['a'], tags: ['ann'] })).toBe(0);
    expect(index.count({ words: ['a'], tags: ['0a'] })).toBe(1);
  });

  it('tells its size', () => {
    const before = index.bytes;
    index.put(Array.from({ length: 2_000 }, (_, id) => ({ id, words: [`word${id}`], tags: [] })));
    expect(index.bytes).toBeGreaterThan(before + 2_000 * 10);
  });
});
