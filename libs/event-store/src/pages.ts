import { setImmediate as endOfTurn } from 'node:timers/promises';
import type { RecordedEvent } from '#kernel';
import type { EventStore, ReadOptions } from './event-store.js';

export const MAX_PAGE_EVENTS = 512;
/** Of data and metadata; the last event of a page may go beyond it. */
export const MAX_PAGE_BYTES = 1_048_576;

export type PageRange = Required<ReadOptions>;

/** What one read answers at most. */
export const pageRange = ({ from, limit = MAX_PAGE_EVENTS, backwards = false }: ReadOptions): PageRange => ({
  from: from ?? (backwards ? Number.MAX_SAFE_INTEGER : 0),
  limit: Math.min(limit, MAX_PAGE_EVENTS),
  backwards,
});

/** Both inclusive; backwards `to` is the lower one. */
export type StreamRange =
  | { from?: number; to?: number; backwards?: false }
  | { from: number; to?: number; backwards: true };

/**
 * The events of a stream, a page at a time, up to `to` or to where there are no more; none of the pages is empty. Between
 * two of them everybody else has a turn.
 */
export async function* pages(
  store: Pick<EventStore, 'read'>,
  stream: string,
  { from = 0, to, backwards = false }: StreamRange = {},
): AsyncGenerator<RecordedEvent[]> {
  const [step, end] = backwards ? [-1, to ?? 0] : [1, to ?? Number.POSITIVE_INFINITY];
  for (let next = from; ; ) {
    const left = (end - next) * step + 1;
    if (left < 1) return;
    if (next !== from) await endOfTurn();
    const page = await store.read(stream, { from: next, limit: Math.min(left, MAX_PAGE_EVENTS), backwards });
    const last = page.at(-1);
    if (!last) return;
    yield page;
    next = last.revision + step;
  }
}
