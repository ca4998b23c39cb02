import { describe, expect, it } from '@jest/globals';
import { LruMap } from './lru-map.js';

describe('LruMap', () => {
  it('given a full map, when more is added, then it holds at most its capacity and at least the younger half', () => {
    const map = new LruMap<number, string>(10);
    for (let key = 0; key < 1000; key++) map.set(key, 'value');
    const held = Array.from({ length: 1000 }, (_, key) => key).filter((key) => map.get(key) !== undefined);
    expect(held.length).toBeLessThanOrEqual(10);
    expect(held).toEqual(expect.arrayContaining([995, 996, 997, 998, 999]));
  });

  it('given a key in steady use, when many others pass through, then it stays', () => {
    const map = new LruMap<string, number>(10);
    map.set('hot', 1);
    for (let key = 0; key < 1000; key++) {
      map.set(`cold ${key}`, key);
      if (key % 3 === 0) map.get('hot');
    }
    expect(map.get('hot')).toBe(1);
  });

  it('given a key in both generations, when it is deleted, then neither brings it back', () => {
    const map = new LruMap<string, number>(4);
    map.set('key', 1);
    map.set('other', 2);
    map.set('third', 3);
    map.set('key', 4);
    map.delete('key');
    expect(map.get('key')).toBeUndefined();
  });
});
