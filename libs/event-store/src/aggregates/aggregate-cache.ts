import { LRUCache } from 'lru-cache';
import { type Known, lastRevisionOf } from './aggregate.js';
import { sizeOf } from './size-of.js';

/** What an entry takes beside its state. */
const ENTRY_BYTES = 512;
/** A state is measured again after an event for each of so many bytes of it, so that measuring large ones costs little. */
const BYTES_PER_EVENT = 1_024;

export interface CacheBounds {
  maxEntries: number;
  /** Of all states together, as `sizeOf` counts them. */
  maxBytes: number;
}

interface Entry {
  known: Known<unknown>;
  /** The state's, as of some revision. */
  bytes: number;
  measuredAt: number;
}

/** The states that were used last, within bounds of number and bytes. */
export class AggregateCache {
  private readonly entries: LRUCache<string, Entry>;

  constructor({ maxEntries, maxBytes }: CacheBounds) {
    this.entries = new LRUCache({
      max: maxEntries,
      maxSize: maxBytes,
      sizeCalculation: ({ known, bytes }) => ENTRY_BYTES + bytes + known.causes.bytes,
    });
  }

  get<State>(stream: string): Known<State> | undefined {
    return this.entries.get(stream)?.known as Known<State> | undefined;
  }

  /** Answers the newer of this one and of what is kept, which is kept from now on. */
  put<State>(stream: string, known: Known<State>): Known<State> {
    const kept = this.entries.get(stream);
    const revision = lastRevisionOf(known);
    if (kept && lastRevisionOf(kept.known) >= revision) return kept.known as Known<State>;
    const isMeasured = kept && revision - kept.measuredAt < kept.bytes / BYTES_PER_EVENT;
    const measured = isMeasured ? kept : { bytes: sizeOf(known.state), measuredAt: revision };
    this.entries.set(stream, { ...measured, known });
    return known;
  }
}
