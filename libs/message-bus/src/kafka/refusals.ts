import { unavailable } from '#kernel';
import { type BusRefusal, refusalOf } from './bus-refusal.js';

/** What the brokers refuse just now to a service that runs: each is told once, and stands until it works again. */
export class Refusals {
  private readonly standing = new Map<string, BusRefusal>();

  constructor(private readonly tell: (refusal: BusRefusal) => void) {}

  /** `doing` names what failed or, without an error, worked. Being down says nothing about rights. */
  note(doing: string, error?: unknown): void {
    const refusal = refusalOf(error);
    if (error === undefined) this.standing.delete(doing);
    if (!refusal) return;
    if (this.standing.get(doing)?.message !== refusal.message) this.tell(refusal);
    this.standing.set(doing, refusal);
  }

  /** Throws `unavailable` with the first refusal that stands. */
  throwIfAny(): void {
    for (const cause of this.standing.values()) throw unavailable(cause.message, { cause });
  }
}
