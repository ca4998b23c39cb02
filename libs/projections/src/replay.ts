import { type EventStore, MAX_PAGE_EVENTS, pages } from '#event-store';
import type { RecordedEvent } from '#kernel';
import { type AnyProjection, type AnySchema, applyEvents, type Projection } from './projection.js';
import { createTables } from './projection-tables.js';
import type { ReadDatabase } from './read-database.js';
import { SqliteReadDatabase } from './sqlite/sqlite-read-database.js';

/**
 * What `read` finds in tables that the projection makes, in memory, of a few streams of the log alone. For answers
 * that hold nothing else, while the read models are behind or out of reach.
 */
export async function replay<Schema, Result>(
  store: EventStore,
  projection: Projection<Schema>,
  streams: readonly string[],
  read: (database: ReadDatabase) => Promise<Result>,
): Promise<Result> {
  const fold = projection as unknown as AnyProjection;
  const database = SqliteReadDatabase.inMemory();
  try {
    await database.write<AnySchema, void>((transaction) => createTables(transaction, fold));
    for await (const events of batches(inLogOrder(store, streams))) {
      const prepared = await fold.prepare?.(events);
      await database.write<AnySchema, void>((transaction) =>
        applyEvents(fold, transaction, events, prepared),
      );
    }
    return await read(database);
  } finally {
    await database.close();
  }
}

async function* batches(events: AsyncIterable<RecordedEvent>): AsyncGenerator<RecordedEvent[]> {
  let batch: RecordedEvent[] = [];
  for await (const event of events) {
    if (batch.push(event) < MAX_PAGE_EVENTS) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

interface Source {
  rest: AsyncGenerator<RecordedEvent, undefined>;
  /** The next event; undefined at the end. */
  head: RecordedEvent | undefined;
}

/** The events of several streams in the order of their positions; a page of each is held. */
async function* inLogOrder(store: EventStore, streams: readonly string[]): AsyncGenerator<RecordedEvent> {
  const sources = await Promise.all(
    streams.map(async (stream): Promise<Source> => {
      const rest = eventsOf(store, stream);
      return { rest, head: (await rest.next()).value };
    }),
  );
  for (let first = earliest(sources); first?.head; first = earliest(sources)) {
    yield first.head;
    first.head = (await first.rest.next()).value;
  }
}

async function* eventsOf(store: EventStore, stream: string): AsyncGenerator<RecordedEvent, undefined> {
  for await (const page of pages(store, stream)) yield* page;
}

function earliest(sources: readonly Source[]): Source | undefined {
  let first: Source | undefined;
  for (const source of sources) {
    if (source.head && (!first?.head || source.head.position < first.head.position)) first = source;
  }
  return first;
}
