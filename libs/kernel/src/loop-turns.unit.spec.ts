import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { LoopTurns } from './loop-turns.js';

describe('turns of the event loop', () => {
  it('given more than may begin in a turn, then the others begin in later ones, in order', async () => {
    const turns = new LoopTurns();
    const begun: number[] = [];
    const work = async (item: number): Promise<void> => {
      await turns.begin();
      begun.push(item);
    };
    const items = Array.from({ length: 40 }, (_, item) => item);
    const all = Promise.all(items.map(work));
    await Promise.resolve();
    expect(begun).toEqual(items.slice(0, 16));
    await nextTurn();
    expect(begun).toEqual(items.slice(0, 32));
    await nextTurn();
    expect(begun).toEqual(items);
    await all;
  });

  it('given a turn that is full, then whoever comes next waits, and in an idle one nobody does', async () => {
    const turns = new LoopTurns();
    for (let begun = 0; begun < 16; begun++) expect(turns.begin()).toBeUndefined();
    const late = turns.begin();
    expect(late).toBeInstanceOf(Promise);
    await late;
    await nextTurn();
    expect(turns.begin()).toBeUndefined();
  });
});
