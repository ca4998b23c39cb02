import type { ReadReq, ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import type { RecordedEvent } from '#kernel';
import { MAX_PAGE_BYTES, type PageRange } from '../pages.js';
import type { Connection } from './connection.js';
import { Refused, StreamEnded } from './failures.js';
import { inTime } from './in-time.js';
import { type LogEntry, logEntry, readLastRequest, readStreamRequest } from './protocol.js';

/** Reads that come to an end, each answer within a time-out. */
export class StreamReader {
  constructor(
    private readonly connection: Connection,
    private readonly prefix: string,
    private readonly timeoutMs: number,
  ) {}

  /** A page of a stream, empty where there is no such stream. */
  async events(stream: string, range: PageRange): Promise<RecordedEvent[]> {
    const entries: LogEntry[] = [];
    let bytes = 0;
    for await (const answer of this.answers(readStreamRequest(`${this.prefix}${stream}`, range))) {
      const entry = logEntry(answer, this.prefix);
      if (!entry) continue;
      entries.push(entry);
      bytes += entry.bytes;
      if (bytes >= MAX_PAGE_BYTES) break;
    }
    // A server older than 22.6 does not tell positions here; then any that is not before the event's will do.
    const isTold = entries.every(({ position }) => position !== undefined);
    const latest = isTold ? 0n : BigInt((await this.last(1, { isFiltered: true })).at(-1) ?? 0);
    return entries.map((entry) => {
      const event = entry.open();
      if (!event) throw new Refused('the stream holds an event that this service did not write');
      return entry.position === undefined ? { ...event, position: latest } : event;
    });
  }

  /** The positions of the last events of the log, newest first. */
  async last(count: number, options: { isFiltered: boolean }): Promise<number[]> {
    const positions: number[] = [];
    for await (const answer of this.answers(readLastRequest(count, options))) {
      const position = logEntry(answer, this.prefix)?.position;
      if (position !== undefined) positions.push(position);
    }
    return positions;
  }

  private async *answers(request: ReadReq): AsyncGenerator<ReadResp> {
    const opening = this.connection.read(request);
    try {
      const stream = await inTime(opening, this.timeoutMs);
      for (;;) yield await stream.next(this.timeoutMs);
    } catch (error) {
      if (!(error instanceof StreamEnded)) throw error;
    } finally {
      opening.then(
        (stream) => stream.cancel(),
        () => undefined,
      );
    }
  }
}
