import type { Batch, EventStore, Subscription } from '#event-store';
import type { Clock, RecordedEvent } from '#kernel';
import { type Checkpoint, type CheckpointSchema, Checkpoints } from './checkpoints.js';
import { describeError } from './describe-error.js';
import type { Logger } from './logger.js';
import { PositionTracker } from './position-tracker.js';
import type { FollowerStatus } from './projection.js';
import type { ReadDatabase } from './read-database.js';
import { type Replicas, type Role, singleProcess } from './replicas.js';

const SAVE_INTERVAL_MS = 1_000;

export interface LogFollowerOptions {
  /** Unique among the followers and projections of the database. */
  name: string;
  store: EventStore;
  database: ReadDatabase;
  clock: Clock;
  logger: Logger;
  /** Where the database is shared with other processes. */
  replicas?: Replicas;
  categories: readonly string[];
  /** At most this many events at once; the store's default when left out. */
  maxBatchSize?: number;
  handle(events: readonly RecordedEvent[]): Promise<void>;
}

/**
 * Hands events to `handle` in log order, each at least once: what was handled since the checkpoint was last
 * saved (at most a second's worth) is handled again after a crash. A batch that fails is offered again until it
 * succeeds, with the store's backoff; nothing is skipped. Where another process does so, it only follows how far that
 * one has come.
 */
export class LogFollower implements Role {
  readonly #options: LogFollowerOptions;
  readonly #checkpoints: Checkpoints;
  readonly #replicas: Replicas;
  readonly #progress = new PositionTracker();
  #state: 'stopped' | 'standby' | 'leading' = 'stopped';
  #subscription: Subscription | undefined;
  #retry: FollowerStatus['retry'];
  #saved = 0n;
  #timer: NodeJS.Timeout | undefined;
  #saving: Promise<void> | undefined;

  constructor(options: LogFollowerOptions) {
    this.#options = options;
    this.#checkpoints = new Checkpoints(options.database, options.clock);
    this.#replicas = options.replicas ?? singleProcess;
  }

  get name(): string {
    return this.#options.name;
  }

  get position(): bigint {
    return this.#progress.position;
  }

  async start(): Promise<void> {
    await this.#checkpoints.createTable();
    this.#state = 'standby';
    await this.#replicas.join(this);
  }

  async lead(): Promise<void> {
    const { name, store, categories, maxBatchSize } = this.#options;
    await this.#subscription?.close();
    await this.#saving;
    const found = await this.#checkpoints.find(name);
    this.#saved = found?.position ?? 0n;
    this.#progress.startAt(this.#saved);
    this.#retry = undefined;
    this.#state = 'leading';
    const options = { after: this.#saved, categories, ...(maxBatchSize && { maxBatchSize }) };
    this.#subscription = store.subscribe(options, (batch) => this.#onBatch(batch));
  }

  halt(): void {
    this.#state = 'standby';
    this.#retry = undefined;
    this.#progress.halt();
    this.#cancelSave();
    // A batch under way is part of the subscription; it is awaited before this process leads again.
    void this.#subscription?.close();
  }

  follow({ position }: Checkpoint): void {
    if (this.#state !== 'standby') return;
    if (this.#progress.halted) this.#progress.startAt(position);
    this.#progress.advance(position);
  }

  passed(position: bigint): void {
    if (this.#state === 'standby' && !this.#progress.halted) this.#progress.advance(position);
  }

  /** Finishes the batch under way and saves the position. */
  async stop(): Promise<void> {
    await this.#subscription?.close();
    this.#progress.halt();
    this.#cancelSave();
    await this.#saving;
    await this.#save();
    this.#state = 'stopped';
    await this.#replicas.leave(this);
  }

  /** True as soon as everything up to the position has been handled; false after the time-out. */
  waitFor(position: bigint, timeoutMs: number): Promise<boolean> {
    return this.#progress.waitFor(position, timeoutMs);
  }

  async status(): Promise<FollowerStatus> {
    const head = await this.#options.store.head();
    const { position } = this.#progress;
    const running = this.#retry ? 'retrying' : 'running';
    const state = this.#state === 'leading' ? running : this.#state;
    return {
      name: this.#options.name,
      position,
      lag: head > position ? head - position : 0n,
      state,
      ...(this.#retry && { retry: this.#retry }),
    };
  }

  async #onBatch({ events, position }: Batch): Promise<void> {
    // The subscription is about to end: whoever leads next begins at the checkpoint.
    if (this.#state !== 'leading') return;
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

  #cancelSave(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** A failure costs nothing but a later start from further back, so it is logged and left to the next time. */
  async #save(): Promise<void> {
    const { name, database, logger } = this.#options;
    const { position } = this.#progress;
    this.#timer = undefined;
    if (this.#state !== 'leading' || position === this.#saved) return;
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
