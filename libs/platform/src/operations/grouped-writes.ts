import type { Compilable } from 'kysely';
import { unavailable } from '#kernel';
import type { ReadDatabase } from '#projections';

/** Beyond these the database is too slow for what is asked of it, or away. */
const MAX_WAITING = 10_000;

/** Writes that arrive while one is under way share the next commit, and its fate. */
export class GroupedWrites {
  private waiting: { query: Compilable; settled: PromiseWithResolvers<void> }[] = [];
  private writing = false;

  constructor(private readonly database: ReadDatabase) {}

  /** Resolves after the commit. Rejects with `unavailable` too where too many wait. */
  write(query: Compilable): Promise<void> {
    if (this.waiting.length >= MAX_WAITING) {
      return Promise.reject(unavailable('too many writes are waiting for the database'));
    }
    const settled = Promise.withResolvers<void>();
    this.waiting.push({ query, settled });
    if (!this.writing) setImmediate(() => void this.writeWaiting());
    this.writing = true;
    return settled.promise;
  }

  private async writeWaiting(): Promise<void> {
    while (this.waiting.length > 0) {
      const batch = this.waiting;
      this.waiting = [];
      try {
        await this.database.run(batch.map(({ query }) => query));
        for (const { settled } of batch) settled.resolve();
      } catch (error) {
        for (const { settled } of batch) settled.reject(error);
      }
    }
    this.writing = false;
  }
}
