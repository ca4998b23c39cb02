/** A place among those that are in work, or in the queue for it. */
export interface Turn {
  /** Undefined where work may begin at once; else resolves when it may, or with false once the turn was left. */
  begin: Promise<boolean> | undefined;
  /** Ends the work, or the wait for it. Only the first call counts. */
  leave(): void;
}

type Begin = (begun: boolean) => void;

/**
 * Bounds how many are in work at once. Beyond that they wait in groups, each in the order of arrival, and the
 * groups take turns: whoever is alone in its group waits for one turn of each other group, however long their
 * queues are.
 */
export class FairTurns {
  #working = 0;
  /** In the order in which the groups come next. A group is here while anyone of it waits. */
  readonly #waiting = new Map<string, Set<Begin>>();

  constructor(private readonly limit: number) {}

  enter(group: string): Turn {
    if (this.#working < this.limit) {
      this.#working += 1;
      return { begin: undefined, leave: once(() => this.#next()) };
    }
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const queue = this.#waiting.get(group) ?? new Set();
    this.#waiting.set(group, queue.add(resolve));
    const leave = once(() => {
      if (this.#giveUp(group, resolve)) resolve(false);
      else this.#next();
    });
    return { begin: promise, leave };
  }

  /** Hands the place of one that has ended to the next group's first. */
  #next(): void {
    for (const [group, queue] of this.#waiting) {
      this.#waiting.delete(group);
      for (const begin of queue) {
        queue.delete(begin);
        if (queue.size > 0) this.#waiting.set(group, queue);
        begin(true);
        return;
      }
    }
    this.#working -= 1;
  }

  /** False where it waits no longer. */
  #giveUp(group: string, begin: Begin): boolean {
    const queue = this.#waiting.get(group);
    if (!queue?.delete(begin)) return false;
    if (queue.size === 0) this.#waiting.delete(group);
    return true;
  }
}

function once(work: () => void): () => void {
  let done = false;
  return () => {
    if (!done) {
      done = true;
      work();
    }
  };
}
