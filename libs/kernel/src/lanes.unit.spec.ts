import { describe, expect, it } from '@jest/globals';
import { inLanes } from './lanes.js';

describe('work in lanes', () => {
  it('given more than may be done at once, then the next begins when one has ended', async () => {
    const ends: (() => void)[] = [];
    const begun: number[] = [];
    const all = inLanes([1, 2, 3], 2, (item) => {
      begun.push(item);
      return new Promise((resolve) => ends.push(resolve));
    });
    expect(begun).toEqual([1, 2]);
    ends[1]?.();
    await Promise.resolve();
    await Promise.resolve();
    expect(begun).toEqual([1, 2, 3]);
    for (const end of ends) end();
    await all;
  });

  it('given a failure, then none begins after it', async () => {
    const begun: number[] = [];
    const all = inLanes([1, 2, 3, 4], 2, async (item) => {
      begun.push(item);
      throw new Error(`failed at ${item}`);
    });
    await expect(all).rejects.toThrow('failed at 1');
    expect(begun).toEqual([1, 2]);
  });
});
