import type { Batch, EventStore, Subscription } from '#event-store';
import type { Clock, RecordedEvent } from '#kernel';
import { type CheckpointSchema, Checkpoints } from './checkpoints.js';
import { describeError } from './describe-error.js';
import type { Logger } from './logger.js';
import { PositionTracker } from './position-tracker.js';
import type { FollowerStatus } from './projection.js';
import type { ReadDatabase } from './read-database.js';

const SAVE_INTERVAL_MS = 1_000;

export interface LogFollowerOptions {
  /** Unique among the followers and projections of the database. */
  name: string;
  store: EventStore;
  database: ReadDatabase;
  clock: Clock;
  logger: Logger;
  categories: readonly string[];
  /** At most this many events at once; the store's default when left out. */
  maxBatchSize?: number;
  handle(events: readonly RecordedEvent[]): Promise<void>;
}

/**
 * Hands events to `handle` in log order, each at least once: what was handled since the checkpoint was last
 * saved (at most a second's worth) is handled again after a crash. A batch that fails is offered again until it
 * succeeds, with the store's backoff; nothing is skipped.
 */
export class LogFollower {
  readonly #options: LogFollowerOptions;
  readonly #checkpoints: Checkpoints;
  readonly #progress = new PositionTracker();
  #subscription: Subscription | undefined;
  #retry: FollowerStatus['retry'];
  #saved = 0n;
  #timer: NodeJS.Timeout | undefined;
  #saving: Promise<void> | undefined;

  constructor(options: LogFollowerOptions) {
    this.#options = options;
    this.#checkpoints = new Checkpoints(options.database, options.clock);
  }

  async start(): Promise<void> {
    const { name, store, categories, maxBatchSize } = this.#options;
    await this.#checkpoints.createTable();
    const found = await this.#checkpoints.find(name);
    this.#saved = found?.position ?? 0n;
    this.#progress.startAt(this.#saved);
    const options = { after: this.#saved, categories, ...(maxBatchSize && { maxBatchSize }) };
    this.#subscription = store.subscribe(options, (batch) => this.#onBatch(batch));
  }

  /** Finishes the batch under way and saves the position. */
  async stop(): Promise<void> {
    await this.#subscription?.close();
    this.#subscription = undefined;
    this.#progress.halt();
    clearTimeout(this.#timer);
    await this.#saving;
    await this.#save();
  }

  /** True as soon as everything up to the position has been handled; false after the time-out. */
  waitFor(position: bigint, timeoutMs: number): Promise<boolean> {
    return this.#progress.waitFor(position, timeoutMs);
  }

  async status(): Promise<FollowerStatus> {
    const head = await this.#options.store.head();
    const { position } = this.#progress;
    const running = this.#retry ? 'retrying' : 'running';
    return {
      name: this.#options.name,
      position,
      lag: head > position ? head - position : 0n,
      state: this.#subscription ? running : 'stopped',
      ...(this.#retry && { retry: this.#retry }),
    };
  }

  async #onBatch({ events, position }: Batch): Promise<void> {
    try {
      if (events.length > 0) await this.#options.handle(events);
    } catch (error) {
      const described = describeError(error);
      this.#retry = { attempts: (this.#retry?.attempts ?? 0) + 1, error: described.error };
      const fields = {
        follower: this.#options.name,
        position: String(position),
        ...this.#retry,
        ...described,
      };
      this.#options.logger.warn(fields, 'follower could not handle a batch and tries it again');
      throw error;
    }
    this.#retry = undefined;
    this.#progress.advance(position);
    this.#timer ??= setTimeout(() => {
      this.#saving = this.#save();
    }, SAVE_INTERVAL_MS).unref();
  }

  /** A failure costs nothing but a later start from further back, so it is logged and left to the next time. */
  async #save(): Promise<void> {
    const { name, database, logger } = this.#options;
    const { position } = this.#progress;
    this.#timer = undefined;
    if (position === this.#saved) return;
    try {
      await database.write<CheckpointSchema, void>((transaction) =>
        this.#checkpoints.put(transaction, name, { version: 0, position, tables: [] }),
      );
      this.#saved = position;
    } catch (error) {
      logger.warn({ follower: name, ...describeError(error) }, 'follower could not save its position');
    }
  }
}
