import type { ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import { RecentEvents } from '../recent-events.js';
import { Backoff } from './backoff.js';
import type { Connection } from './connection.js';
import { describeFailure, failureOf } from './failures.js';
import type { LogWarnings } from './options.js';
import { logEntry, subscribeRequest } from './protocol.js';
import type { PulledStream } from './pulled-stream.js';

/** So often in a row an acknowledged append may be found unseen; a process too busy to look finds it once. */
const STALLED_CHECKS = 8;

interface FeedParts {
  connection: Connection;
  prefix: string;
  /** How long an acknowledged append may take to be seen. */
  stallMs: number;
  logger: LogWarnings;
  /** There is something new. */
  onNews(): void;
}

/**
 * Follows the whole log, once for all subscriptions of the process, and holds its newest events in memory. Whatever
 * ends its stream, it goes on after the last event it saw; one that stands still while appends are acknowledged
 * is ended from here.
 */
export class LiveFeed {
  readonly recent: RecentEvents;
  private readonly closing = new AbortController();
  private readonly ended: Promise<void>;
  private readonly watch: NodeJS.Timeout;
  private stream: PulledStream<ReadResp> | undefined;
  private newsScheduled = false;
  private acknowledged = 0;
  private due = 0;
  private missedChecks = 0;

  /** `start`: the position of an event, or 0; what follows it is held. */
  constructor(
    start: number,
    private readonly parts: FeedParts,
  ) {
    this.recent = new RecentEvents(start);
    this.ended = this.run();
    this.watch = setInterval(() => this.checkProgress(), parts.stallMs / STALLED_CHECKS).unref();
  }

  /** The last position that the log is known to have reached. */
  get known(): number {
    return Math.max(this.recent.head, this.acknowledged);
  }

  /** An append was acknowledged at that position, so it has to be seen before long. */
  expect(position: number): void {
    if (position > this.acknowledged) this.acknowledged = position;
  }

  async close(): Promise<void> {
    this.closing.abort();
    clearInterval(this.watch);
    this.stream?.cancel();
    await this.ended;
  }

  private async run(): Promise<void> {
    const backoff = new Backoff();
    const { signal } = this.closing;
    while (!signal.aborted) {
      try {
        await this.follow(() => backoff.reset());
      } catch (error) {
        if (signal.aborted) return;
        const fields = { position: String(this.recent.head), ...describeFailure(failureOf(error)) };
        this.parts.logger.warn(fields, 'the subscription to the event log broke and is made again');
      }
      await backoff.pause(signal);
    }
  }

  private async follow(onAnswer: () => void): Promise<void> {
    const stream = await this.parts.connection.read(subscribeRequest(this.recent.head));
    this.stream = stream;
    try {
      while (!this.closing.signal.aborted) {
        let answer: ReadResp | undefined = await stream.next();
        for (; answer; answer = stream.take()) this.take(answer);
        onAnswer();
      }
    } finally {
      stream.cancel();
      this.stream = undefined;
    }
  }

  private take(response: ReadResp): void {
    const entry = logEntry(response, this.parts.prefix);
    // After a new subscription some may come twice.
    if (!entry || entry.position === undefined || entry.position <= this.recent.head) return;
    const event = entry.stream === '' ? undefined : entry.open();
    if (event) this.recent.add([event], entry.bytes);
    else this.recent.pass(entry.position);
    if (this.newsScheduled) return;
    this.newsScheduled = true;
    // What arrives together is told of together.
    setImmediate(() => {
      this.newsScheduled = false;
      this.parts.onNews();
    });
  }

  private checkProgress(): void {
    this.missedChecks = this.due > this.recent.head ? this.missedChecks + 1 : 0;
    if (this.missedChecks === 0) this.due = this.acknowledged;
    if (this.missedChecks < STALLED_CHECKS) return;
    this.missedChecks = 0;
    this.stream?.cancel(new Error('acknowledged events are not handed over'));
  }
}
