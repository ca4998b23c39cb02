import type { ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import type { RecordedEvent } from '#kernel';
import type { Scan, ScanResult, SubscriptionSource } from '../log-subscription.js';
import { Backoff } from './backoff.js';
import type { Connection } from './connection.js';
import { describeFailure, failureOf } from './failures.js';
import type { LiveFeed } from './live-feed.js';
import type { LogWarnings } from './options.js';
import { logEntry, subscribeRequest } from './protocol.js';
import type { PulledStream } from './pulled-stream.js';

/** While there is something to catch up with, answers come without a pause. */
const SILENCE_MS = 10_000;

interface CatchUpParts {
  connection: Connection;
  feed: LiveFeed;
  prefix: string;
  logger: LogWarnings;
  fail(error: unknown): void;
}

/**
 * Where one subscription reads: what the feed still holds, and before that a stream of its own, filtered by the
 * server and read only as fast as its handler goes. Positions handed out are always those of events, for a
 * filtered stream's checkpoints need not be places where reading can begin.
 */
export class CatchUp implements SubscriptionSource {
  private readonly closing = new AbortController();
  private readonly backoff = new Backoff();
  private stream: PulledStream<ReadResp> | undefined;
  /** Nothing that the stream has not delivered yet lies before this position. */
  private passed = 0;
  /** A position that the log had reached before the stream was opened. */
  private headBefore = 0;

  constructor(private readonly parts: CatchUpParts) {}

  head(): number {
    return this.parts.feed.recent.head;
  }

  async scan(scan: Scan): Promise<ScanResult> {
    const recent = this.parts.feed.recent.scan(scan);
    if (recent) {
      this.leave();
      return recent;
    }
    return this.readOn(scan);
  }

  fail(error: unknown): void {
    this.parts.fail(error);
  }

  release(): void {
    this.closing.abort();
    this.leave();
  }

  private async readOn(scan: Scan): Promise<ScanResult> {
    const events: RecordedEvent[] = [];
    const result = (): ScanResult => ({ events, position: Number(events.at(-1)?.position ?? scan.after) });
    try {
      this.stream ??= await this.open(scan);
      while (events.length < scan.limit) {
        // It waits for the first event only.
        const response =
          this.stream.take() ?? (events.length > 0 ? undefined : await this.stream.next(SILENCE_MS));
        if (!response) break;
        this.backoff.reset();
        this.collect(response, scan.after, events);
        const { start } = this.parts.feed.recent;
        if (events.length === 0 && this.passed > start)
          return { events, position: Math.max(start, scan.after) };
      }
    } catch (error) {
      this.leave();
      if (this.closing.signal.aborted || events.length > 0) return result();
      const fields = { position: String(scan.after), ...describeFailure(failureOf(error)) };
      this.parts.logger.warn(fields, 'catching up with the event log broke and goes on where it stood');
      await this.backoff.pause(this.closing.signal);
    }
    return result();
  }

  private async open({ after, categories }: Scan): Promise<PulledStream<ReadResp>> {
    this.passed = 0;
    this.headBefore = this.head();
    const prefixes = categories && [...categories].map((category) => `${this.parts.prefix}${category}-`);
    return this.parts.connection.read(subscribeRequest(after, prefixes));
  }

  private collect(response: ReadResp, after: number, events: RecordedEvent[]): void {
    const entry = logEntry(response, this.parts.prefix);
    if (entry?.position !== undefined) {
      const event = entry.stream !== '' && entry.position > after ? entry.open() : undefined;
      if (event) events.push(event);
      this.passed = entry.position;
    } else if (response.hasCheckpoint()) {
      this.passed = Number(response.getCheckpoint()?.getCommitPosition());
    } else if (response.hasCaughtUp()) {
      this.passed = Math.max(this.passed, this.headBefore + 1);
    }
  }

  private leave(): void {
    this.stream?.cancel();
    this.stream = undefined;
  }
}
