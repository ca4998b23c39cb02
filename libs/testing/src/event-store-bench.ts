import { type AppendResult, type Batch, type EventStore, RevisionConflict } from '#event-store';
import { type JsonObject, type NewEvent, newId, type RecordedEvent, streamName } from '#kernel';

/** One event store over storage of its own, or of its own streams. */
export interface EventStoreHarness {
  store: EventStore;
  /** Closes the store and opens it again over the same storage. */
  reopen(): Promise<EventStore>;
  dispose(): Promise<void>;
}

export type EventStoreFactory = () => Promise<EventStoreHarness>;

/** What an adapter may be unable to do; each comes with the reason, which the test's title then shows. */
export type EventStoreDeviation = 'gap-free positions' | 'an empty log' | 'empty batches' | 'reopening';
export type EventStoreDeviations = Partial<Record<EventStoreDeviation, string>>;

/** Declares a test that is left out, visibly and with the reason, where the adapter deviates. */
export type Declarable = (
  promise: EventStoreDeviation,
  title: string,
  check: () => void | Promise<void>,
) => void;

/** What one test of the contract works with. Its categories are its own, so that a shared server will do. */
export class EventStoreBench {
  readonly category = freshCategory();

  private readonly collectors: Collector[] = [];

  constructor(readonly harness: EventStoreHarness) {}

  get store(): EventStore {
    return this.harness.store;
  }

  collector(): Collector {
    const collector = new Collector();
    this.collectors.push(collector);
    return collector;
  }

  /** Lets go of what a failed test holds back, then ends the store. */
  async dispose(): Promise<void> {
    for (const collector of this.collectors) collector.open();
    await this.harness.dispose();
  }

  stream(category = this.category): string {
    return streamName(category, newId());
  }

  /** Appends `count` events to a stream that does not exist yet. */
  async appendNew(count = 1, category = this.category): Promise<AppendResult> {
    return this.store.append(this.stream(category), 'no_stream', newEvents(count));
  }

  /** Appends one event to each of `count` new streams, all at once; answers the position of the last. */
  async appendMany(count: number, category = this.category): Promise<bigint> {
    const before = await this.store.head();
    const results = await Promise.all(Array.from({ length: count }, () => this.appendNew(1, category)));
    return results.map(({ position }) => position).reduce(latest, before);
  }
}

const latest = (one: bigint, other: bigint): bigint => (other > one ? other : one);

let categories = 0;
export const freshCategory = (): string => `test${newId().replaceAll('-', '')}${categories++}`;

export const newEvent = (data: JsonObject = {}): NewEvent => ({
  id: newId(),
  type: 'test.happened.v1',
  at: new Date().toISOString(),
  data,
  metadata: {
    platformId: null,
    tenantId: newId(),
    actor: { type: 'system', id: 'contract' },
    correlationId: newId(),
    causationId: newId(),
  },
});

export const newEvents = (count: number): NewEvent[] =>
  Array.from({ length: count }, (_, number) => newEvent({ number }));

export const idsOf = (events: readonly { id: string }[]): string[] => events.map(({ id }) => id);

/** The error that a promise rejects with; undefined when it resolves. */
export const rejectionOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

/** Where the stream was when an append was refused; undefined when it was not refused. */
export async function conflictOf(append: Promise<unknown>): Promise<RevisionConflict['actual'] | undefined> {
  const error = await rejectionOf(append);
  if (error === undefined) return undefined;
  if (error instanceof RevisionConflict) return error.actual;
  throw error;
}

/** A handler that keeps what it is given. While its gate is shut, batches with events stay under way. */
export class Collector {
  readonly batches: Batch[] = [];
  readonly events: RecordedEvent[] = [];
  private readonly waiting: { until: () => boolean; resolve: () => void }[] = [];
  private gate = Promise.resolve();
  private openGate = (): void => undefined;

  readonly onBatch = async (batch: Batch): Promise<void> => {
    this.batches.push(batch);
    this.events.push(...batch.events);
    for (const { until, resolve } of this.waiting) if (until()) resolve();
    if (batch.events.length > 0) await this.gate;
  };

  shut(): void {
    this.gate = new Promise((resolve) => {
      this.openGate = resolve;
    });
  }

  open(): void {
    this.openGate();
  }

  when(until: () => boolean): Promise<void> {
    if (until()) return Promise.resolve();
    return new Promise((resolve) => {
      this.waiting.push({ until, resolve });
    });
  }

  passed(position: bigint): Promise<void> {
    return this.when(() => (this.batches.at(-1)?.position ?? 0n) >= position);
  }
}
