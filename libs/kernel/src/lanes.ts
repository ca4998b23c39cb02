import { LoopTurns } from './loop-turns.js';

const turns = new LoopTurns();

/**
 * Does the work for each, at most so many at once: the next begins when one has ended. Rejects with the first failure,
 * after which none begins.
 */
export async function inLanes<Item>(
  items: Iterable<Item>,
  limit: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const open = items[Symbol.iterator]();
  let hasFailed = false;
  const lane = async (): Promise<void> => {
    for (let next = open.next(); !next.done; next = open.next()) {
      const turn = turns.begin();
      if (turn) await turn;
      if (hasFailed) return;
      await work(next.value);
    }
  };
  const lanes = Array.from({ length: limit }, () =>
    lane().catch((error: unknown) => {
      hasFailed = true;
      throw error;
    }),
  );
  await Promise.all(lanes);
}
