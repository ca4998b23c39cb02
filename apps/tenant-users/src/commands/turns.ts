/** Lets work that names the same thing run one at a time in this process, in the order of the calls. */
export class Turns {
  private readonly tails = new Map<string, Promise<unknown>>();

  /** Names are taken in their order as texts, so that no two can wait for each other. */
  take<Result>(names: readonly string[], work: () => Promise<Result>): Promise<Result> {
    const [first, ...others] = [...new Set(names)].sort();
    return first === undefined ? work() : this.takeOne(first, () => this.take(others, work));
  }

  private async takeOne<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    const before = this.tails.get(name);
    const turn = before ? before.then(work, work) : work();
    this.tails.set(name, turn);
    try {
      return await turn;
    } finally {
      if (this.tails.get(name) === turn) this.tails.delete(name);
    }
  }
}
