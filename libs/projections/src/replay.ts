import type { EventStore } from '#event-store';
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
  const stored = await Promise.all(streams.map((stream) => store.read(stream)));
  const events = stored.flat().sort((one, other) => Number(one.position - other.position));
  const fold = projection as unknown as AnyProjection;
  const database = SqliteReadDatabase.inMemory();
  try {
    const prepared = await fold.prepare?.(events);
    await database.write<AnySchema, void>(async (transaction) => {
      await createTables(transaction, fold);
      await applyEvents(fold, transaction, events, prepared);
    });
    return await read(database);
  } finally {
    await database.close();
  }
}
