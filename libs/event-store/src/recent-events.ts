import { categoryOf, type RecordedEvent } from '#kernel';
import type { Scan, ScanResult } from './log-subscription.js';

/** Together at most about twice these are held. */
const MAX_CHUNK_EVENTS = 2_048;
const MAX_CHUNK_BYTES = 8_388_608;

interface Chunk {
  /** The position just before its first event. */
  start: number;
  events: RecordedEvent[];
  bytes: number;
}

/** The newest events of the log, held for subscribers that keep up, so that those need not read the table. */
export class RecentEvents {
  private older: Chunk;
  private newer: Chunk;

  /** `head`: the position of the last event in the log. */
  constructor(public head: number) {
    this.older = { start: head, events: [], bytes: 0 };
    this.newer = { start: head, events: [], bytes: 0 };
  }

  /** The position of the oldest event that is no longer held; what lies after it is. */
  get start(): number {
    return this.older.start;
  }

  /** In log order. */
  add(events: readonly RecordedEvent[], bytes: number): void {
    if (this.newer.events.length >= MAX_CHUNK_EVENTS || this.newer.bytes >= MAX_CHUNK_BYTES) {
      this.older = this.newer;
      this.newer = { start: this.head, events: [], bytes: 0 };
    }
    for (const event of events) this.newer.events.push(event);
    this.newer.bytes += bytes;
    this.pass(Number(events.at(-1)?.position ?? this.head));
  }

  /** The log has come to that position, with nothing more for anybody here. */
  pass(position: number): void {
    this.head = position;
  }

  /** Undefined when the events after that position are no longer held. */
  scan({ after, limit, categories }: Scan): ScanResult | undefined {
    const chunk = after >= this.newer.start ? this.newer : this.older;
    if (after < chunk.start) return undefined;
    const found: RecordedEvent[] = [];
    for (let index = firstAfter(chunk.events, after); ; index++) {
      const event = chunk.events[index];
      // The end of what was looked at is that of the chunk, and the newer one ends where the log does.
      if (!event) return { events: found, position: chunk === this.newer ? this.head : this.newer.start };
      if (!categories || categories.has(categoryOf(event.stream))) found.push(event);
      if (found.length >= limit) return { events: found, position: Number(event.position) };
    }
  }
}

/** The index of the first event after that position, by bisection. */
function firstAfter(events: readonly RecordedEvent[], after: number): number {
  let [low, high] = [0, events.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const event = events[middle];
    if (event && event.position <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}
