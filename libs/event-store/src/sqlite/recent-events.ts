import { categoryOf, type RecordedEvent } from '#kernel';
import type { Scan, ScanResult } from './log-reader.js';

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

  add(events: readonly RecordedEvent[], bytes: number): void {
    if (this.newer.events.length >= MAX_CHUNK_EVENTS || this.newer.bytes >= MAX_CHUNK_BYTES) {
      this.older = this.newer;
      this.newer = { start: this.head, events: [], bytes: 0 };
    }
    for (const event of events) this.newer.events.push(event);
    this.newer.bytes += bytes;
    this.head += events.length;
  }

  /** Undefined when the events after that position are no longer held. */
  scan({ after, limit, categories }: Scan): ScanResult | undefined {
    const chunk = after >= this.newer.start ? this.newer : this.older;
    if (after < chunk.start) return undefined;
    const found: RecordedEvent[] = [];
    let position = after;
    while (found.length < limit) {
      const event = chunk.events[position - chunk.start];
      if (!event) break;
      position++;
      if (!categories || categories.has(categoryOf(event.stream))) found.push(event);
    }
    return { events: found, position };
  }
}
