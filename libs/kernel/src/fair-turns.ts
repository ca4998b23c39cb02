/** A place among those that are in work, or in the queue for it. */
export interface Turn {
  /** Undefined where work may begin at once; else resolves when it may, or with false once the turn was left. */
  begin: Promise<boolean> | undefined;
  /** Ends the work, or the wait for it. Only the first call counts. */
  leave(): void;
}

/** How much may wait, in the unit of the weights that `enter` is given. */
export interface WaitingRoom {
  ofGroup: number;
  inAll: number;
}

interface Waiter {
  begin(begun: boolean): void;
  weight: number;
}

interface Queue {
  waiters: Set<Waiter>;
  weight: number;
}

/**
 * Bounds how many are in work at once, in all and of each group. Beyond that they wait in groups, each in the order of
 * arrival, and the groups take turns: whoever is alone in its group waits for one turn of each other group, however long
 * their queues are. How much may wait is bounded too.
 */
export class FairTurns {
  #working = 0;
  readonly #workingOf = new Map<string, number>();
  #weight = 0;
  /** In the order in which the groups come next. A group is here while anyone of it waits. */
  readonly #waiting = new Map<string, Queue>();

  constructor(
    private readonly limit: number,
    private readonly room: WaitingRoom = {
      ofGroup: Number.POSITIVE_INFINITY,
      inAll: Number.POSITIVE_INFINITY,
    },
    private readonly limitOfGroup = limit,
  ) {}

  /** Undefined where there is no room left to wait in. */
  enter(group: string, weight = 1): Turn | undefined {
    if (this.#working < this.limit && this.#mayBegin(group)) {
      this.#count(group, 1);
      return { begin: undefined, leave: once(() => this.#end(group)) };
    }
    const queue = this.#waiting.get(group) ?? { waiters: new Set(), weight: 0 };
    const { ofGroup, inAll } = this.room;
    if (queue.weight + weight > ofGroup || this.#weight + weight > inAll) return undefined;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiter = { begin: resolve, weight };
    queue.waiters.add(waiter);
    this.#weigh(queue, weight);
    this.#waiting.set(group, queue);
    const leave = once(() => {
      if (this.#giveUp(group, waiter)) resolve(false);
      else this.#end(group);
    });
    return { begin: promise, leave };
  }

  #mayBegin(group: string): boolean {
    return (this.#workingOf.get(group) ?? 0) < this.limitOfGroup;
  }

  #count(group: string, by: number): void {
    this.#working += by;
    const working = (this.#workingOf.get(group) ?? 0) + by;
    if (working > 0) this.#workingOf.set(group, working);
    else this.#workingOf.delete(group);
  }

  /** Hands the place of one that has ended to the first of the next group that may begin. */
  #end(ended: string): void {
    this.#count(ended, -1);
    for (const [group, queue] of this.#waiting) {
      if (!this.#mayBegin(group)) continue;
      this.#waiting.delete(group);
      for (const waiter of queue.waiters) {
        this.#remove(queue, waiter);
        if (queue.waiters.size > 0) this.#waiting.set(group, queue);
        this.#count(group, 1);
        waiter.begin(true);
        return;
      }
    }
  }

  /** False where it waits no longer. */
  #giveUp(group: string, waiter: Waiter): boolean {
    const queue = this.#waiting.get(group);
    if (!queue?.waiters.has(waiter)) return false;
    this.#remove(queue, waiter);
    if (queue.waiters.size === 0) this.#waiting.delete(group);
    return true;
  }

  #remove(queue: Queue, waiter: Waiter): void {
    queue.waiters.delete(waiter);
    this.#weigh(queue, -waiter.weight);
  }

  #weigh(queue: Queue, weight: number): void {
    queue.weight += weight;
    this.#weight += weight;
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
