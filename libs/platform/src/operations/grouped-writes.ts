import type { Kysely } from 'kysely';
import type { ReadDatabase } from '#projections';

type Write<Schema> = (transaction: Kysely<Schema>) => Promise<void>;

/** Writes that arrive together share one commit, and its fate. */
export class GroupedWrites<Schema> {
  private waiting: { write: Write<Schema>; settled: PromiseWithResolvers<void> }[] = [];

  constructor(private readonly database: ReadDatabase) {}

  /** Resolves after the commit. */
  write(write: Write<Schema>): Promise<void> {
    const settled = Promise.withResolvers<void>();
    this.waiting.push({ write, settled });
    if (this.waiting.length === 1) setImmediate(() => void this.writeWaiting());
    return settled.promise;
  }

  private async writeWaiting(): Promise<void> {
    const batch = this.waiting;
    this.waiting = [];
    try {
      await this.database.write<Schema, void>(async (transaction) => {
        for (const { write } of batch) await write(transaction);
      });
      for (const { settled } of batch) settled.resolve();
    } catch (error) {
      for (const { settled } of batch) settled.reject(error);
    }
  }
}
