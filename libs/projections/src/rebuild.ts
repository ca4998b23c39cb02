import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Batch, Subscription } from '#event-store';
import { illegalState, type RecordedEvent } from '#kernel';
import { type CheckpointSchema, Checkpoints } from './checkpoints.js';
import { describeError, errorName, isUnavailable } from './describe-error.js';
import type { LiveProjection, ProjectionParts } from './live-projection.js';
import type { AnyProjection, AnySchema, RebuildStatus } from './projection.js';
import { createTables, dropLeftovers, removeRetired, swapTables } from './projection-tables.js';
import { countDifferences } from './table-comparison.js';
import { RenameTablesPlugin, rebuildName } from './table-names.js';
import { MAX_EVENTS_PER_TRANSACTION } from './transaction-size.js';

/**
 * Builds a projection's tables anew from the beginning of the log, beside the live ones, and swaps them in.
 *
 * Until it has caught up, the live projection goes on. Then the live one is held at its position, the rebuild
 * comes to exactly that position, and one transaction applies the last events, compares if asked, swaps the tables
 * and moves the checkpoint: no event is missed or applied twice. A live projection that has failed is passed: the
 * rebuild goes on to the head of the log, and the projection runs again from there.
 */
export class Rebuild {
  readonly #live: LiveProjection;
  readonly #projection: AnyProjection;
  readonly #parts: ProjectionParts & { checkpoints: Checkpoints };
  readonly #verify: boolean;
  readonly #plugin: RenameTablesPlugin;
  readonly #startedAtMs = performance.now();
  readonly #outcome = Promise.withResolvers<void>();
  #state: RebuildStatus['state'] = 'running';
  #error: unknown;
  #position = 0n;
  #head = 0n;
  #eventsDone = 0;
  #seconds: number | undefined;
  #finished = false;
  #differences: number | undefined;
  /** Lets the live projection go on; set while it is held. */
  #release: (() => void) | undefined;
  /** Where the rebuild ends; known once the live projection is held. */
  #end: bigint | undefined;

  constructor(live: LiveProjection, parts: ProjectionParts, options: { verify: boolean }) {
    this.#live = live;
    this.#projection = live.projection;
    // In turn with the live one, so that it comes nearer with each batch, however fast that one is.
    const database = parts.database.of(live.projection.name);
    this.#parts = { ...parts, database, checkpoints: new Checkpoints(database, parts.clock) };
    this.#verify = options.verify;
    // It may fail before anyone waits for it; `run` does so later and reports it.
    this.#outcome.promise.catch(() => undefined);
    const { tables } = this.#projection;
    this.#plugin = new RenameTablesPlugin({ tables, rename: rebuildName });
  }

  get status(): RebuildStatus {
    const seconds = this.#seconds ?? this.#elapsedSeconds();
    const share = this.#position > 0n ? Number(this.#head) / Number(this.#position) : 1;
    return {
      name: this.#projection.name,
      state: this.#state,
      eventsDone: this.#eventsDone,
      eventsTotal: Math.round(this.#eventsDone * Math.max(share, 1)),
      eventsPerSecond: Math.round(this.#eventsDone / seconds),
      ...(this.#differences === undefined ? {} : { differences: this.#differences }),
      ...(this.#error === undefined ? {} : { error: errorName(this.#error) }),
    };
  }

  /** Resolves when the rebuild is over, whatever its outcome; never rejects. */
  async run(): Promise<void> {
    const { logger } = this.#parts;
    const fields = { projection: this.#projection.name };
    try {
      await this.#build();
      await this.#removeRetired();
      this.#state = 'completed';
      logger.info({ ...fields, ...this.status }, 'projection rebuilt');
    } catch (error) {
      this.#error = error;
      this.#state = 'failed';
      logger.error({ ...fields, ...describeError(error) }, 'projection could not be rebuilt');
    }
  }

  /** Ends it before its time; its tables are dropped at the next start or rebuild. */
  abort(reason: unknown): void {
    this.#finish(() => this.#outcome.reject(reason));
  }

  async #build(): Promise<void> {
    const { database, store } = this.#parts;
    const { categories, tables } = this.#projection;
    let subscription: Subscription | undefined;
    try {
      await database.write<AnySchema, void>(async (transaction) => {
        await dropLeftovers(transaction, tables);
        await createTables(transaction, this.#projection, rebuildName);
      });
      this.#head = await store.head();
      // An empty log has no batch to offer.
      await this.#onBatch({ events: [], position: 0n });
      const options = { after: 0n, categories, maxBatchSize: MAX_EVENTS_PER_TRANSACTION };
      if (!this.#finished) subscription = store.subscribe(options, (batch) => this.#onBatch(batch));
      await this.#outcome.promise;
    } finally {
      await subscription?.close();
      this.#seconds = this.#elapsedSeconds();
      this.#release?.();
    }
  }

  async #onBatch(batch: Batch): Promise<void> {
    try {
      if (!this.#finished) await this.#advance(batch);
    } catch (error) {
      if (isUnavailable(error)) throw error;
      this.abort(error);
    }
    // Live traffic has its turn between two transactions.
    await nextTurn();
  }

  async #advance(batch: Batch): Promise<void> {
    if (!this.#live.leading) throw illegalState('another process may run the projection');
    if (this.#end === undefined && batch.position >= this.#live.progress.position) await this.#holdLive();
    const end = this.#end;
    const atEnd = end !== undefined && batch.position >= end;
    const position = atEnd ? end : batch.position;
    const events = batch.events.filter((it) => it.position > this.#position && it.position <= position);
    const differences = await this.#write(events, position);
    this.#differences ??= differences;
    this.#eventsDone += events.length;
    this.#position = position;
    if (!atEnd) return;
    this.#head = position;
    this.#live.resumeAt(position);
    this.#finish(() => this.#outcome.resolve());
  }

  async #holdLive(): Promise<void> {
    this.#release ??= await this.#live.hold();
    const head = this.#live.state === 'failed' ? await this.#parts.store.head() : 0n;
    const { position } = this.#live.progress;
    this.#end = position >= head ? position : head;
  }

  /** One transaction: the events, the comparison when both stand at one position, the swap when it is the end. */
  #write(events: readonly RecordedEvent[], position: bigint): Promise<number | undefined> {
    const { database, checkpoints } = this.#parts;
    const { name, version, tables } = this.#projection;
    const livePosition = this.#live.progress.position;
    const compare = this.#verify && this.#end !== undefined && this.#differences === undefined;
    return database.write<AnySchema & CheckpointSchema, number | undefined>(async (transaction) => {
      const rebuilt = transaction.withPlugin(this.#plugin);
      const later = events.filter((event) => event.position > livePosition);
      for (const event of events.slice(0, events.length - later.length)) {
        await this.#projection.apply(rebuilt, event);
      }
      const due = compare && position >= livePosition;
      const differences = due ? await countDifferences(transaction, tables, database.dialect) : undefined;
      for (const event of later) await this.#projection.apply(rebuilt, event);
      if (position !== this.#end) return differences;
      await checkpoints.refuseBeyond(transaction, name, position);
      await swapTables(transaction, tables);
      const checkpoint = { version, position, tables: [...tables] };
      await checkpoints.put(transaction, name, checkpoint);
      return differences;
    });
  }

  /** The rebuild has done its work by now: what stays behind is dropped at the next start or rebuild. */
  async #removeRetired(): Promise<void> {
    try {
      await removeRetired(this.#parts.database, this.#projection.tables);
    } catch (error) {
      const fields = { projection: this.#projection.name, ...describeError(error) };
      this.#parts.logger.warn(fields, 'tables of the projection before its rebuild could not be removed');
    }
  }

  #finish(settle: () => void): void {
    this.#finished = true;
    settle();
  }

  #elapsedSeconds(): number {
    return (performance.now() - this.#startedAtMs) / 1_000;
  }
}
