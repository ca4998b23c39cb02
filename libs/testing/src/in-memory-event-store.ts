import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import {
  type AppendResult,
  type Batch,
  type EventStore,
  type ExpectedRevision,
  MAX_PAGE_BYTES,
  pageRange,
  type ReadOptions,
  RevisionConflict,
  type SubscribeOptions,
  type Subscription,
} from '#event-store';
import {
  categoryOf,
  invalidInput,
  type NewEvent,
  type RecordedEvent,
  TenantryError,
  unavailable,
} from '#kernel';

const MAX_APPEND_BYTES = 1_048_576;
const MAX_RETRY_DELAY_MS = 5_000;

/** The event store's port in memory, for tests of what stands on it. Nothing is durable. */
export class InMemoryEventStore implements EventStore {
  readonly #log: RecordedEvent[] = [];
  readonly #streams = new Map<string, RecordedEvent[]>();
  readonly #subscriptions = new Set<InMemorySubscription>();
  #closed = false;

  async append(
    stream: string,
    expected: ExpectedRevision,
    events: readonly NewEvent[],
  ): Promise<AppendResult> {
    this.#assertOpen();
    if (events.length === 0) throw invalidInput('events', 'must not be empty');
    if (Buffer.byteLength(JSON.stringify(events)) > MAX_APPEND_BYTES) {
      throw new TenantryError('invalid_input', 'append is over 1 MiB', { code: 'payload_too_large' });
    }
    const stored = this.#streams.get(stream) ?? [];
    const first = expected === 'no_stream' ? 0 : expected + 1;
    if (first !== stored.length) {
      const again = stored.slice(first, first + events.length);
      if (events.every((event, index) => event.id === again[index]?.id)) return resultOf(again);
      throw new RevisionConflict(stream, expected, stored.length === 0 ? 'no_stream' : stored.length - 1);
    }
    const recorded = events.map(({ opened: _, ...event }, index) => {
      const position = BigInt(this.#log.length + index + 1);
      return { ...structuredClone(event), stream, revision: first + index, position };
    });
    this.#log.push(...recorded);
    this.#streams.set(stream, [...stored, ...recorded]);
    for (const subscription of this.#subscriptions) subscription.wake();
    // As with a real log, other things happen before the answer.
    await nextTurn();
    return resultOf(recorded);
  }

  async read(stream: string, options: ReadOptions = {}): Promise<RecordedEvent[]> {
    this.#assertOpen();
    const { from, limit, backwards } = pageRange(options);
    const events = this.#streams.get(stream) ?? [];
    const page: RecordedEvent[] = [];
    let bytes = 0;
    for (let at = backwards ? Math.min(from, events.length - 1) : from; page.length < limit; ) {
      const event = events[at];
      if (!event || bytes >= MAX_PAGE_BYTES) break;
      page.push(event);
      bytes += Buffer.byteLength(JSON.stringify(event.data));
      at += backwards ? -1 : 1;
    }
    return page;
  }

  subscribe(options: SubscribeOptions, onBatch: (batch: Batch) => Promise<void>): Subscription {
    this.#assertOpen();
    const subscription = new InMemorySubscription(this.#log, options, onBatch);
    this.#subscriptions.add(subscription);
    return {
      close: () => {
        this.#subscriptions.delete(subscription);
        return subscription.close();
      },
    };
  }

  async head(): Promise<bigint> {
    this.#assertOpen();
    return BigInt(this.#log.length);
  }

  async ready(): Promise<void> {
    this.#assertOpen();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()));
  }

  #assertOpen(): void {
    if (this.#closed) throw unavailable('the event store is closed');
  }
}

class InMemorySubscription {
  readonly #log: readonly RecordedEvent[];
  readonly #options: SubscribeOptions;
  readonly #onBatch: (batch: Batch) => Promise<void>;
  readonly #closing = new AbortController();
  readonly #done: Promise<void>;
  #woken = Promise.withResolvers<void>();

  constructor(
    log: readonly RecordedEvent[],
    options: SubscribeOptions,
    onBatch: (batch: Batch) => Promise<void>,
  ) {
    this.#log = log;
    this.#options = options;
    this.#onBatch = onBatch;
    this.#done = this.#follow();
  }

  wake(): void {
    this.#woken.resolve();
  }

  close(): Promise<void> {
    this.#closing.abort();
    this.wake();
    return this.#done;
  }

  async #follow(): Promise<void> {
    let next = Number(this.#options.after);
    await this.#pause(0);
    while (!this.#closing.signal.aborted) {
      const batch = this.#batchFrom(next);
      if (batch) {
        await this.#deliver(batch);
        next = Number(batch.position);
      } else {
        await this.#woken.promise;
        this.#woken = Promise.withResolvers();
      }
    }
  }

  #batchFrom(start: number): Batch | undefined {
    const { categories, maxBatchSize = 512 } = this.#options;
    if (start >= this.#log.length) return undefined;
    const scanned = this.#log.slice(start, start + maxBatchSize);
    const events = scanned.filter((event) => !categories || categories.includes(categoryOf(event.stream)));
    return { events, position: BigInt(start + scanned.length) };
  }

  /** Offers the same batch until it is taken. The subscriber itself reports what went wrong. */
  async #deliver(batch: Batch): Promise<void> {
    for (
      let delayMs = 100;
      !this.#closing.signal.aborted;
      delayMs = Math.min(delayMs * 2, MAX_RETRY_DELAY_MS)
    ) {
      const taken = await this.#onBatch(batch).then(
        () => true,
        () => false,
      );
      if (taken) return;
      await this.#pause(delayMs);
    }
  }

  /** Ends early when the subscription is closed. */
  async #pause(delayMs: number): Promise<void> {
    await sleep(delayMs, undefined, { signal: this.#closing.signal }).catch(() => undefined);
  }
}

function resultOf(events: RecordedEvent[]): AppendResult {
  const last = events.at(-1);
  if (!last) throw new Error('an append has at least one event');
  return { revision: last.revision, position: last.position, events };
}
