import { LRUCache } from 'lru-cache';
import { type Known, lastRevisionOf } from './aggregate.js';
import { sizeOf } from './size-of.js';

/** What an entry takes beside its state. */
const ENTRY_BYTES = 512;

export interface CacheBounds {
  maxEntries: number;
  /** Of all states together, as `sizeOf` counts them. */
  maxBytes: number;
}

/** The states that were used last, within bounds of number and bytes. */
export class AggregateCache {
  private readonly entries: LRUCache<string, Known<unknown>>;

  constructor({ maxEntries, maxBytes }: CacheBounds) {
    this.entries = new LRUCache({
      max: maxEntries,
      maxSize: maxBytes,
      sizeCalculation: ({ state, causes }) => ENTRY_BYTES + sizeOf(state) + causes.bytes,
    });
  }

  get<State>(stream: string): Known<State> | undefined {
    return this.entries.get(stream) as Known<State> | undefined;
  }

  /** Answers the newer of this one and of what is kept, which is kept from now on. */
  put<State>(stream: string, known: Known<State>): Known<State> {
    const kept = this.get<State>(stream);
    if (kept && lastRevisionOf(kept) >= lastRevisionOf(known)) return kept;
    this.entries.set(stream, known);
    return known;
  }
}
