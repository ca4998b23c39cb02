import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { FairTurns, type Turn } from './fair-turns.js';

const settled = () => new Promise((resolve) => setImmediate(resolve));

function entered(turns: FairTurns, group: string): Turn {
  const turn = turns.enter(group);
  if (!turn) throw new Error('there was no room');
  return turn;
}

describe('fair turns', () => {
  it('given a thousand of one group in the queue, when another group comes, then it is next but one', async () => {
    const turns = new FairTurns(1);
    const begun: string[] = [];
    const enter = (group: string): Turn => {
      const turn = entered(turns, group);
      void turn.begin?.then(() => {
        begun.push(group);
        turn.leave();
      });
      return turn;
    };
    const first = enter('loud');
    for (let count = 0; count < 1_000; count++) enter('loud');
    enter('quiet');
    first.leave();
    await settled();
    expect(begun.slice(0, 3)).toEqual(['loud', 'quiet', 'loud']);
    expect(begun).toHaveLength(1_001);
    expect(entered(turns, 'any').begin).toBeUndefined();
  });

  it('given those that leave while they work or wait, twice too, then no place is lost or given twice', async () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('enter' as const), group: fc.nat({ max: 3 }) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('leave' as const), at: fc.nat() }) },
    );
    const steps = fc.array(step, { maxLength: 120, size: 'max' });
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 1, max: 4 }), async (all, limit) => {
        const turns = new FairTurns(limit);
        const places: { id: number; group: string; turn: Turn }[] = [];
        const begun: number[] = [];
        // The model: who works, and who waits, by group in the order of the groups' turns.
        let working: number[] = [];
        const waiting: { group: string; ids: number[] }[] = [];
        const expected: number[] = [];
        const next = () => {
          const first = waiting.shift();
          const id = first?.ids.shift();
          if (!first || id === undefined) return;
          if (first.ids.length > 0) waiting.push(first);
          working.push(id);
          expected.push(id);
        };
        for (const [id, it] of all.entries()) {
          if (it.kind === 'enter') {
            const group = `group ${it.group}`;
            const turn = entered(turns, group);
            places.push({ id, group, turn });
            expect(turn.begin === undefined).toBe(working.length < limit);
            void turn.begin?.then((now) => now && begun.push(id));
            if (working.length < limit) working.push(id);
            else {
              const queue = waiting.find((other) => other.group === group);
              if (queue) queue.ids.push(id);
              else waiting.push({ group, ids: [id] });
            }
          } else if (places.length > 0) {
            const { id: left, turn } = places[it.at % places.length]!;
            turn.leave();
            turn.leave();
            if (working.includes(left)) {
              working = working.filter((other) => other !== left);
              next();
            }
            for (const queue of [...waiting]) {
              queue.ids = queue.ids.filter((other) => other !== left);
              if (queue.ids.length === 0) waiting.splice(waiting.indexOf(queue), 1);
            }
          }
        }
        await settled();
        expect(begun).toEqual(expected);
        for (const { turn } of places) turn.leave();
        for (let count = 0; count < limit; count++) expect(entered(turns, 'later').begin).toBeUndefined();
        expect(entered(turns, 'later').begin).toBeDefined();
      }),
      { numRuns: 300 },
    );
  });

  it('given a group that has filled its room, then it is refused, and others are not until all of it is filled', () => {
    const turns = new FairTurns(1, { ofGroup: 3, inAll: 5 });
    const first = turns.enter('loud');
    expect(first?.begin).toBeUndefined();
    const waiting = [turns.enter('loud'), turns.enter('loud', 2)];
    expect(waiting.every((turn) => turn?.begin)).toBe(true);
    expect(turns.enter('loud')).toBeUndefined();
    expect(turns.enter('quiet', 3)).toBeUndefined();
    expect(turns.enter('quiet', 2)?.begin).toBeDefined();
    expect(turns.enter('third')).toBeUndefined();
    // Who goes, or whose turn it is, leaves its room.
    waiting[1]?.leave();
    expect(turns.enter('third')?.begin).toBeDefined();
    expect(turns.enter('loud')?.begin).toBeDefined();
    expect(turns.enter('third')).toBeUndefined();
    first?.leave();
    expect(turns.enter('third')?.begin).toBeDefined();
  });

  it('given a group with as many in work as it may have, then others begin beside it, and its own after those', async () => {
    const turns = new FairTurns(3, { ofGroup: 9, inAll: 9 }, 2);
    const loud = [
      entered(turns, 'loud'),
      entered(turns, 'loud'),
      entered(turns, 'loud'),
      entered(turns, 'loud'),
    ];
    expect(loud.map(({ begin }) => begin === undefined)).toEqual([true, true, false, false]);
    const quiet = [entered(turns, 'quiet'), entered(turns, 'quiet')];
    expect(quiet.map(({ begin }) => begin === undefined)).toEqual([true, false]);
    const begun: string[] = [];
    for (const turn of loud) void turn.begin?.then(() => begun.push('loud'));
    for (const turn of quiet) void turn.begin?.then(() => begun.push('quiet'));
    // Its place is for another of its own: the loud ones that wait came earlier, but may not begin.
    quiet[0]?.leave();
    await settled();
    expect(begun).toEqual(['quiet']);
    loud[0]?.leave();
    loud[1]?.leave();
    await settled();
    expect(begun).toEqual(['quiet', 'loud', 'loud']);
  });
});
