/** Pieces of work that are begun in one turn of the event loop: a create is some 0.2 ms of it. */
const BEGUN_A_TURN = 16;

/**
 * Spreads what is begun over turns of the event loop, in the order of the calls. Many requests that arrive at once,
 * or messages of a batch, would else all be worked on before anything else is looked at.
 */
export class LoopTurns {
  readonly #waiting: (() => void)[] = [];
  #begun = 0;

  constructor(private readonly limit = BEGUN_A_TURN) {}

  /** Undefined where it may begin in this turn. */
  begin(): Promise<void> | undefined {
    if (this.#begun === 0) setImmediate(() => this.#nextTurn());
    if (this.#begun++ < this.limit) return undefined;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #nextTurn(): void {
    const next = this.#waiting.splice(0, this.limit);
    this.#begun = next.length;
    if (next.length > 0) setImmediate(() => this.#nextTurn());
    for (const begin of next) begin();
  }
}
