/** Each has a timer of its own. */
const MAX_WAITERS = 10_000;

interface Waiter {
  position: bigint;
  settle: (reached: boolean) => void;
}

/** How far something has come in the log, and who waits for it to come further. */
export class PositionTracker {
  #position = 0n;
  #owed = 0n;
  #halted = true;
  readonly #waiters = new Set<Waiter>();

  get position(): bigint {
    return this.#position;
  }

  get halted(): boolean {
    return this.#halted;
  }

  /** Someone was told of a position that it has not come to yet. */
  get owes(): boolean {
    return this.#position < this.#owed;
  }

  /** The position is told without waiting any longer. */
  owe(position: bigint): void {
    if (position > this.#owed) this.#owed = position;
  }

  /** Starts at a position that may lie before the last one. */
  startAt(position: bigint): void {
    this.#halted = false;
    this.#position = position;
  }

  advance(position: bigint): void {
    if (position <= this.#position) return;
    this.#position = position;
    for (const waiter of this.#waiters) if (waiter.position <= position) waiter.settle(true);
  }

  /** Nothing moves any more: whoever waits is told at once, and so is whoever comes. */
  halt(): void {
    this.#halted = true;
    for (const waiter of this.#waiters) waiter.settle(false);
  }

  /** False after the time-out, and at once where nothing moves or too many wait. */
  waitFor(position: bigint, timeoutMs: number): Promise<boolean> {
    if (this.#position >= position) return Promise.resolve(true);
    if (this.#halted || timeoutMs <= 0 || this.#waiters.size >= MAX_WAITERS) return Promise.resolve(false);
    return new Promise((resolve) => {
      const timer = setTimeout(() => waiter.settle(false), timeoutMs);
      const waiter: Waiter = {
        position,
        settle: (reached) => {
          clearTimeout(timer);
          this.#waiters.delete(waiter);
          resolve(reached);
        },
      };
      this.#waiters.add(waiter);
    });
  }
}
