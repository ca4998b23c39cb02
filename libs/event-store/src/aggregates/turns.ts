/** One after the other, for each name. */
export class Turns {
  private readonly tails = new Map<string, Promise<unknown>>();

  async take<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
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
