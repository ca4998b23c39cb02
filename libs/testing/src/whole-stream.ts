import { type EventStore, pages, type StreamRange } from '#event-store';
import type { RecordedEvent } from '#kernel';

/** All of a stream at once, which only specs may hold. */
export async function readAll(
  store: Pick<EventStore, 'read'>,
  stream: string,
  range?: StreamRange,
): Promise<RecordedEvent[]> {
  const read: RecordedEvent[] = [];
  for await (const page of pages(store, stream, range)) read.push(...page);
  return read;
}

/** -1 where there is no such stream. */
export async function lastRevision(store: Pick<EventStore, 'read'>, stream: string): Promise<number> {
  const [last] = await store.read(stream, { backwards: true, limit: 1 });
  return last?.revision ?? -1;
}
