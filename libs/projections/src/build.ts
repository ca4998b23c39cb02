import { setTimeout as delay } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import type { Batch, EventStore } from '#event-store';
import { isUnavailable } from './describe-error.js';
import { type AnyProjection, type AnySchema, applyEvents } from './projection.js';

const RETRY_MS = 500;

/** Upkeep does less work the more there is to do at once. */
const TRANSACTIONS_PER_UPKEEP = 8;

/** Tables of a projection that nobody reads yet, while they are made from the log. */
export interface Build {
  /** Makes them. Answers where it goes on from: more than 0 where one was cut short that had come no further than `limit`. */
  begin(limit: bigint): Promise<bigint>;
  /** Applies all that the log holds up to the position, and tells of each transaction. Rejects once it is aborted. */
  advance(to: bigint, onProgress: (position: bigint, events: number) => void): Promise<void>;
  /** Rows that stand otherwise in the live tables, which have to stay at this position. */
  countDifferences(): Promise<number>;
  /** Takes the place of the live tables, which have to stand still, at the position that it has come to. */
  swap(): Promise<void>;
  abort(reason: unknown): void;
  /** Ends it where it was not swapped; what is `kept` goes on from here another time. */
  close(kept: boolean): Promise<void>;
}

export interface BuildParts {
  projection: AnyProjection;
  /** What holds the log up to a position at least. */
  store(to: bigint): Pick<EventStore, 'subscribe'>;
  eventsPerTransaction: number;
}

interface Step extends Batch {
  upkeep: boolean;
  prepared: Promise<unknown[] | undefined>;
}

/** One transaction is written while the events of the next are prepared. */
export abstract class Builder implements Build {
  protected position = 0n;
  readonly #parts: BuildParts;
  readonly #abortion = Promise.withResolvers<never>();
  #isAborted = false;
  #transactions = 0;

  constructor(parts: BuildParts) {
    this.#parts = parts;
    // It may come while nothing is under way.
    this.#abortion.promise.catch(() => undefined);
  }

  abstract begin(limit: bigint): Promise<bigint>;
  abstract countDifferences(): Promise<number>;
  abstract swap(): Promise<void>;
  abstract close(kept: boolean): Promise<void>;
  /** One transaction on the tables, after which they stand at the position. */
  protected abstract write(
    position: bigint,
    work: (transaction: Kysely<AnySchema>) => Promise<void>,
  ): Promise<void>;

  protected get projection(): AnyProjection {
    return this.#parts.projection;
  }

  async advance(to: bigint, onProgress: (position: bigint, events: number) => void): Promise<void> {
    if (to <= this.position) return;
    const { store, eventsPerTransaction: maxBatchSize } = this.#parts;
    const { categories } = this.projection;
    const outcome = Promise.withResolvers<void>();
    let isOver = false;
    let before: Step | undefined;
    const take = async (batch: Batch): Promise<void> => {
      const step = this.#prepared(batch, to);
      if (before) await this.#apply(before, onProgress);
      before = step;
      if (step.position < to) return;
      await this.#apply(step, onProgress);
      isOver = true;
      outcome.resolve();
    };
    const subscription = store(to).subscribe({ after: this.position, categories, maxBatchSize }, (batch) => {
      if (isOver || this.#isAborted) return Promise.resolve();
      return take(batch).catch((error) => {
        isOver = true;
        outcome.reject(error);
      });
    });
    try {
      await Promise.race([outcome.promise, this.#abortion.promise]);
    } finally {
      await subscription.close();
    }
  }

  abort(reason: unknown): void {
    this.#isAborted = true;
    this.#abortion.reject(reason);
  }

  #prepared(batch: Batch, to: bigint): Step {
    const events = batch.events.filter(({ position }) => position <= to);
    const position = batch.position < to ? batch.position : to;
    this.#transactions += 1;
    const upkeep = position === to || this.#transactions % TRANSACTIONS_PER_UPKEEP === 0;
    return { events, position, upkeep, prepared: this.#prepare(events) };
  }

  #prepare(events: Batch['events']): Step['prepared'] {
    const prepared = Promise.resolve(this.projection.prepare?.(events));
    // Whoever applies the events has its rejection; nobody does once those before have failed.
    prepared.catch(() => undefined);
    return prepared;
  }

  async #apply(step: Step, onProgress: (position: bigint, events: number) => void): Promise<void> {
    const { events, position } = step;
    try {
      const prepared = await step.prepared;
      await this.write(position, async (transaction) => {
        await applyEvents(this.projection, transaction, events, prepared);
        if (step.upkeep) await this.projection.maintain?.(transaction);
      });
    } catch (error) {
      if (!isUnavailable(error) || this.#isAborted) throw error;
      await delay(RETRY_MS);
      return this.#apply({ ...step, prepared: this.#prepare(events) }, onProgress);
    }
    this.position = position;
    onProgress(position, events.length);
  }
}
