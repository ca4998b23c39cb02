import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Batch, Subscription } from '#event-store';
import { type RecordedEvent, unavailable } from '#kernel';
import { type Checkpoint, type CheckpointSchema, Checkpoints } from './checkpoints.js';
import { describeError, isUnavailable, reportedFailure } from './describe-error.js';
import { Lock } from './lock.js';
import { PositionTracker } from './position-tracker.js';
import {
  type AnyProjection,
  type AnySchema,
  applyEvents,
  type ProjectionFailure,
  type ProjectionStatus,
} from './projection.js';
import type { ProjectionParts } from './projection-parts.js';
import { maintain, makeTables } from './projection-tables.js';
import { Readability } from './readability.js';
import type { Role } from './replicas.js';
import { MAX_EVENTS_PER_TRANSACTION, TransactionSize } from './transaction-size.js';

/** Tables of a log of so many events are made apart from the projection, which goes on from there. */
const BUILT_APART_FROM = 20_000n;

/** How often the position is saved while nothing passes the projection's filter. */
const IDLE_SAVE_INTERVAL_MS = 1_000;

/**
 * Keeps one projection's tables up with the log: a batch and its checkpoint in one transaction. Where another process
 * does so, it only follows how far that one has come.
 */
export class LiveProjection implements Role {
  readonly progress = new PositionTracker();
  readonly reads = new Readability(this);
  /** Its tables are to be made by a rebuild first. */
  awaitsBuild = false;
  readonly #parts: ProjectionParts & { checkpoints: Checkpoints };
  readonly #lock = new Lock();
  readonly #size: TransactionSize;
  #state: ProjectionStatus['state'] = 'stopped';
  #failure: ProjectionFailure | undefined;
  #subscription: Subscription | undefined;
  /** The position in the database; the one in memory may be ahead by events that don't concern it. */
  #saved = 0n;
  #savedAtMs = 0;
  /** Set when an error left open what was committed: the database is asked before going on. */
  #uncertain = false;
  #leading = false;
  #follows = false;
  /** What is known of the process that leads; undefined while nothing is, or its tables are of another version. */
  #followed: Checkpoint | undefined;

  constructor(
    readonly projection: AnyProjection,
    parts: ProjectionParts,
  ) {
    const database = parts.database.of(projection.name);
    this.#parts = { ...parts, database, checkpoints: new Checkpoints(database, parts.clock) };
    this.#size = new TransactionSize(parts.database.dialect);
  }

  get state(): ProjectionStatus['state'] {
    return this.#state;
  }

  get name(): string {
    return this.projection.name;
  }

  get position(): bigint {
    return this.progress.position;
  }

  get leading(): boolean {
    return this.#leading;
  }

  async start(): Promise<void> {
    await this.#parts.checkpoints.createTable();
    this.#state = 'starting';
    this.reads.begin(await this.#parts.store.head());
    await this.#parts.replicas.join(this);
  }

  /** Makes the tables, anew where the version has changed, and follows the log. */
  async lead(): Promise<void> {
    await this.#subscription?.close();
    this.#follows = false;
    const { checkpoints, database, store } = this.#parts;
    const found = await makeTables(database, checkpoints, this.projection);
    const position = found ?? 0n;
    const head = await store.head();
    this.reads.begin(head);
    // Of what the database lost with its server, some may have been answered.
    if (found === undefined || found < (this.#followed?.position ?? this.#saved)) this.reads.forget();
    this.#uncertain = false;
    this.#leading = true;
    this.#followed = undefined;
    this.#state = 'standby';
    this.awaitsBuild = this.#parts.buildApart !== undefined && position === 0n && head >= BUILT_APART_FROM;
    if (this.awaitsBuild) this.#begin(position);
    else this.resumeAt(position);
  }

  halt(): void {
    this.#leading = false;
    this.#follows = false;
    this.#followed = undefined;
    this.#state = 'starting';
    // What was read before may be changed from here on without this process being told.
    this.#tell();
    this.progress.halt();
    // A batch under way is part of the subscription; it is awaited before this process leads again.
    void this.#subscription?.close();
  }

  follow(found: Checkpoint): void {
    if (this.#leading) return;
    if (found.version !== this.projection.version) {
      if (this.#followed) this.halt();
      this.reads.forget();
      return;
    }
    const known = this.#followed;
    if (known && found.generation < known.generation) return;
    const replaced = found.generation !== known?.generation;
    const changed = replaced || found.changedAt > known.changedAt;
    if (!changed && found.position <= this.position) return;
    this.#followed = found;
    if (changed) this.#tell({ replaced });
    if (replaced && (!known || found.position < this.position)) this.progress.startAt(found.position);
    this.#advanceBehind(found.position);
  }

  passed(position: bigint): void {
    if (!this.#leading && this.#followed) this.#advanceBehind(position);
  }

  /** Stops following and saves how far it came. A batch under way is finished first. */
  async stop(): Promise<void> {
    await this.#subscription?.close();
    this.progress.halt();
    if (this.#state !== 'failed') this.#state = 'stopped';
    const { position } = this.progress;
    if (this.#follows && position > this.#saved) {
      await this.#commit([], position).catch((error) => this.#warn(error));
    }
    this.#leading = false;
    await this.#parts.replicas.leave(this);
  }

  /** Resolves once nothing is being applied; nothing will be until the answered function is called. */
  async hold(): Promise<() => void> {
    const release = await this.#lock.acquire();
    try {
      if (this.#uncertain) await this.#reload();
    } catch (error) {
      release();
      throw error;
    }
    return release;
  }

  /** Goes on from a position that the database holds already: at the start, or after its tables were swapped. */
  resumeAt(position: bigint): void {
    this.#saved = position;
    this.#failure = undefined;
    this.awaitsBuild = false;
    if (!this.#follows) {
      this.#begin(position);
      this.#follows = true;
      this.#subscription = this.#parts.store.subscribe(
        { after: position, categories: this.projection.categories, maxBatchSize: MAX_EVENTS_PER_TRANSACTION },
        (batch) => this.#onBatch(batch),
      );
    }
    this.#tell({ replaced: true });
    this.#advance(position);
  }

  /** How far the tables are made that it goes on with. They are not read yet, so it does not arrive. */
  built(position: bigint, head: bigint): void {
    if (this.awaitsBuild) this.progress.advance(position < head ? position : head - 1n);
  }

  status(head: bigint): ProjectionStatus {
    const { position } = this.progress;
    const lag = head > position ? head - position : 0n;
    const failure = this.#failure && { failure: this.#failure };
    return { name: this.projection.name, position, lag, state: this.#state, ...failure };
  }

  #begin(position: bigint): void {
    this.#state = 'starting';
    this.progress.startAt(position);
  }

  async #onBatch(batch: Batch): Promise<void> {
    const release = await this.#lock.acquire();
    try {
      // The subscription is about to end: whoever leads next begins at the checkpoint.
      if (!this.#leading) return;
      if (this.#uncertain) await this.#reload();
      const events = batch.events.filter((event) => event.position > this.progress.position);
      if (events.length === 0) await this.#pass(batch.position);
      else {
        const { position } = batch;
        for (const slice of this.#size.slices({ events, position })) {
          await this.#project(slice.events, slice.position);
          if (this.#leading && this.#state !== 'failed')
            await maintain(this.#parts.database, this.projection);
        }
      }
    } catch (error) {
      this.#uncertain = true;
      this.#warn(error);
      throw error;
    } finally {
      release();
    }
    // The database works synchronously, so a projection that catches up lets others have a turn.
    if (batch.events.length === MAX_EVENTS_PER_TRANSACTION) await nextTurn();
  }

  /** Applies events up to the first that fails; everything before it stays. */
  async #project(events: readonly RecordedEvent[], position: bigint): Promise<void> {
    if (this.#state === 'failed') return;
    try {
      await this.#commit(events, position);
    } catch (error) {
      if (isUnavailable(error) || !this.#leading) throw error;
      const [first, ...others] = events;
      if (first && others.length === 0) return this.#fail(first, error);
      for (const event of events) await this.#project([event], event.position);
    }
    this.#advance(position);
  }

  async #commit(events: readonly RecordedEvent[], position: bigint): Promise<void> {
    const { database, checkpoints, clock } = this.#parts;
    if (!this.#leading) throw unavailable(`another process may run ${this.name}`);
    const range = { from: this.#saved, to: position, changes: events.length > 0 };
    const prepared = await this.projection.prepare?.(events);
    await database.write<AnySchema & CheckpointSchema, void>(async (transaction) => {
      // First, so that of two processes one gives way before it applies anything.
      await checkpoints.move(transaction, this.projection.name, range);
      await this.#size.measure(events, () => applyEvents(this.projection, transaction, events, prepared));
    });
    this.#saved = position;
    this.#savedAtMs = clock.now().getTime();
    if (events.length > 0) this.#tell();
  }

  async #pass(position: bigint): Promise<void> {
    const idleForMs = this.#parts.clock.now().getTime() - this.#savedAtMs;
    if (idleForMs >= IDLE_SAVE_INTERVAL_MS && position > this.#saved) await this.#commit([], position);
    this.#advance(position);
    this.#parts.replicas.moved(this);
  }

  #advanceBehind(position: bigint): void {
    this.progress.advance(position);
    this.#state = this.reads.arrive() ? 'standby' : 'starting';
  }

  #advance(position: bigint): void {
    if (!this.#leading || this.#state === 'failed') return;
    this.progress.advance(position);
    if (this.#state === 'starting' && this.reads.arrive()) this.#state = 'running';
  }

  async #reload(): Promise<void> {
    const found = await this.#parts.checkpoints.find(this.projection.name);
    if (found) this.#saved = found.position;
    this.#tell();
    this.#advance(this.#saved);
    this.#uncertain = false;
  }

  #tell({ replaced = false } = {}): void {
    this.#parts.onChange?.(this.name, replaced);
  }

  #warn(error: unknown): void {
    const fields = { projection: this.projection.name, ...describeError(error) };
    this.#parts.logger.warn(fields, 'projection waits for its database');
  }

  #fail(event: RecordedEvent, error: unknown): void {
    this.#state = 'failed';
    this.#follows = false;
    this.#failure = reportedFailure(event, error, { projection: this.name, logger: this.#parts.logger });
    this.progress.halt();
    // The batch at hand is part of the subscription, so its end can't be awaited here.
    void this.#subscription?.close();
  }
}
