import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Batch, Subscription } from '#event-store';
import { illegalState, type RecordedEvent } from '#kernel';
import { type CheckpointSchema, Checkpoints } from './checkpoints.js';
import { describeError, errorName, isUnavailable } from './describe-error.js';
import type { LiveProjection } from './live-projection.js';
import {
  type AnyProjection,
  type AnySchema,
  allTables,
  applyEvents,
  type RebuildStatus,
} from './projection.js';
import type { ProjectionParts } from './projection-parts.js';
import { createTables, dropLeftovers, removeRetired, swapTables } from './projection-tables.js';
import { countDifferences } from './table-comparison.js';
import { RenameTablesPlugin, rebuildName } from './table-names.js';
import { MAX_EVENTS_PER_TRANSACTION } from './transaction-size.js';

/** So many transactions' worth is read at once: all but the first are prepared while the one before is written. */
const TRANSACTIONS_AT_ONCE = 8;

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
    const tables = allTables(this.#projection);
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
    const { categories } = this.#projection;
    let subscription: Subscription | undefined;
    try {
      await database.write<AnySchema, void>(async (transaction) => {
        await dropLeftovers(transaction, allTables(this.#projection));
        await createTables(transaction, this.#projection, rebuildName);
      });
      this.#head = await store.head();
      // An empty log has no batch to offer.
      await this.#onBatch({ events: [], position: 0n });
      const maxBatchSize = TRANSACTIONS_AT_ONCE * MAX_EVENTS_PER_TRANSACTION;
      const options = { after: 0n, categories, maxBatchSize };
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
      const slices = [...transactionsOf(batch)];
      let next = this.#prepare(slices[0]);
      for (const [at, slice] of slices.entries()) {
        const prepared = await next;
        next = this.#prepare(slices[at + 1]);
        if (this.#finished) break;
        await this.#advance(slice, prepared);
        // Live traffic has its turn between two transactions.
        await nextTurn();
      }
    } catch (error) {
      if (isUnavailable(error)) throw error;
      this.abort(error);
    }
  }

  #prepare(batch: Batch | undefined): Promise<unknown[] | undefined> {
    const preparing = Promise.resolve(batch && this.#projection.prepare?.(batch.events));
    // Whoever waits for it has its rejection; nobody does where the transaction before fails.
    preparing.catch(() => undefined);
    return preparing;
  }

  async #advance(batch: Batch, prepared?: readonly unknown[]): Promise<void> {
    if (!this.#live.leading) throw illegalState('another process may run the projection');
    if (this.#end === undefined && batch.position >= this.#live.progress.position) await this.#holdLive();
    const end = this.#end;
    const atEnd = end !== undefined && batch.position >= end;
    const position = atEnd ? end : batch.position;
    const from = countUpTo(batch.events, this.#position);
    const to = countUpTo(batch.events, position);
    const events = batch.events.slice(from, to);
    const differences = await this.#write(events, prepared?.slice(from, to), position);
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
  #write(
    events: readonly RecordedEvent[],
    prepared: readonly unknown[] | undefined,
    position: bigint,
  ): Promise<number | undefined> {
    const { database, checkpoints } = this.#parts;
    const { name, version, tables } = this.#projection;
    const livePosition = this.#live.progress.position;
    const compare = this.#verify && this.#end !== undefined && this.#differences === undefined;
    const seen = countUpTo(events, livePosition);
    return database.write<AnySchema & CheckpointSchema, number | undefined>(async (transaction) => {
      const rebuilt = transaction.withPlugin(this.#plugin);
      const apply = (from: number, to?: number) =>
        applyEvents(this.#projection, rebuilt, events.slice(from, to), prepared?.slice(from, to));
      await apply(0, seen);
      const due = compare && position >= livePosition;
      const differences = due ? await countDifferences(transaction, tables, database.dialect) : undefined;
      await apply(seen);
      await this.#projection.maintain?.(rebuilt);
      if (position !== this.#end) return differences;
      await checkpoints.refuseBeyond(transaction, name, position);
      await swapTables(transaction, allTables(this.#projection));
      await checkpoints.put(transaction, name, { version, position, tables: allTables(this.#projection) });
      return differences;
    });
  }

  /** The rebuild has done its work by now: what stays behind is dropped at the next start or rebuild. */
  async #removeRetired(): Promise<void> {
    try {
      await removeRetired(this.#parts.database, this.#projection);
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

const countUpTo = (events: readonly RecordedEvent[], position: bigint): number =>
  events.filter((event) => event.position <= position).length;

function* transactionsOf({ events, position }: Batch): Generator<Batch> {
  for (let at = 0; at === 0 || at < events.length; at += MAX_EVENTS_PER_TRANSACTION) {
    const slice = events.slice(at, at + MAX_EVENTS_PER_TRANSACTION);
    const last = slice.at(-1);
    yield { events: slice, position: at + slice.length < events.length && last ? last.position : position };
  }
}
