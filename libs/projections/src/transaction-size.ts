import type { Batch } from '#event-store';
import type { RecordedEvent } from '#kernel';
import type { ReadDatabase } from './read-database.js';

/** At most this many events in one transaction. */
export const MAX_EVENTS_PER_TRANSACTION = 64;

/** How long a transaction should take where the others wait for it: SQLite has one writer for all. */
const TARGET_MS = 50;
const FIRST_SIZE = 8;

/** How many events one transaction takes, by what the last ones took: a slow projection commits more often. */
export class TransactionSize {
  readonly #targetMs: number;
  #size = FIRST_SIZE;

  constructor(dialect: ReadDatabase['dialect']) {
    this.#targetMs = dialect === 'sqlite' ? TARGET_MS : Number.POSITIVE_INFINITY;
  }

  /** What of the batch goes into transactions of their own. Events that follow one another in a stream stay together. */
  *slices({ events, position }: Batch): Generator<Batch> {
    let start = 0;
    for (let end = this.#size; end < events.length; end++) {
      // They may be of one append, which readers see whole.
      if (events[end]?.stream === events[end - 1]?.stream) continue;
      const slice = events.slice(start, end);
      yield { events: slice, position: lastOf(slice).position };
      start = end;
      end += this.#size - 1;
    }
    yield { events: events.slice(start), position };
  }

  /** Measures a transaction's work, not its wait for its turn. */
  async measure<Result>(events: readonly RecordedEvent[], work: () => Promise<Result>): Promise<Result> {
    const began = performance.now();
    const result = await work();
    if (events.length > 0) this.#adapt(events.length, performance.now() - began);
    return result;
  }

  #adapt(events: number, tookMs: number): void {
    const fitting = Math.floor((events * this.#targetMs) / Math.max(tookMs, 1));
    this.#size = Math.max(1, Math.min(fitting, this.#size * 2, MAX_EVENTS_PER_TRANSACTION));
  }
}

function lastOf(events: readonly RecordedEvent[]): RecordedEvent {
  const last = events.at(-1);
  if (!last) throw new Error('a transaction without events');
  return last;
}
