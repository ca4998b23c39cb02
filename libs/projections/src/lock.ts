/** One holder at a time, in the order of asking. */
export class Lock {
  #last: Promise<void> = Promise.resolve();

  /** Resolves, when it is the caller's turn, with the function that gives the lock back. */
  async acquire(): Promise<() => void> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    await before;
    return resolve;
  }
}
