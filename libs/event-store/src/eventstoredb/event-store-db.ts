import { illegalState, type NewEvent, type RecordedEvent, unavailable } from '#kernel';
import { appendRequest, recordedEvent } from '../event-row.js';
import {
  type AppendResult,
  type Batch,
  type EventStore,
  type ExpectedRevision,
  type ReadOptions,
  RevisionConflict,
  type SubscribeOptions,
  type Subscription,
} from '../event-store.js';
import { LogSubscription } from '../log-subscription.js';
import { pageRange } from '../pages.js';
import { AppendStream } from './append-stream.js';
import { Backoff } from './backoff.js';
import { CatchUp } from './catch-up.js';
import { Connection } from './connection.js';
import { clientConnectionString } from './connection-string.js';
import * as failures from './failures.js';
import { inTime } from './in-time.js';
import { LiveFeed } from './live-feed.js';
import { type EventStoreDbOptions, withDefaults } from './options.js';
import type { Append } from './protocol.js';
import { StreamReader } from './stream-reader.js';

/** So many events before the end the live feed begins: more than lie between two checkpoints of a filter. */
const FEED_BEGINS_BEFORE_END = 512;
/** A revision that no stream has: an append that expects it is refused, which takes a leader that works. */
const IMPOSSIBLE_REVISION = 2 ** 52;
const PROBE = {
  stream: 'readiness-probe',
  rows: [['00000000-0000-4000-8000-000000000001', 'readiness.probed.v1', '', '{}', '{}']],
} satisfies Pick<Append, 'stream' | 'rows'>;
const CLOSE_TIMEOUT_MS = 5_000;
const MAX_RETRY_PAUSE_MS = 1_000;
/** Reports of health and metrics ask for it, and they don't wait for long. */
const HEAD_RETRY_FOR_MS = 2_000;

/**
 * The log on EventStoreDB or KurrentDB. Positions are commit positions of `$all`, so they have gaps. Any number of
 * processes may write. Every append names the revision it expects, so one whose answer was lost is simply sent
 * again: the server knows the events by their ids and answers as it did the first time.
 */
export class EventStoreDb implements EventStore {
  private readonly subscriptions = new Set<LogSubscription>();
  private readonly underWay = new Set<Promise<unknown>>();
  private readonly closing = new AbortController();
  private readonly appends: AppendStream;
  private readonly reader: StreamReader;
  private readonly feed: LiveFeed;
  private closed: Promise<void> | undefined;
  private probing: Promise<void> | undefined;

  private constructor(
    private readonly connection: Connection,
    private readonly options: Required<EventStoreDbOptions>,
    /** Where the feed begins, and a position that the log has reached. */
    private readonly place: { start: number; end: number },
  ) {
    const { logger, answerTimeoutMs, streamPrefix: prefix } = options;
    this.appends = new AppendStream(connection, answerTimeoutMs);
    this.reader = new StreamReader(connection, prefix, answerTimeoutMs);
    const onNews = (): void => {
      for (const subscription of this.subscriptions) subscription.wake();
    };
    this.feed = new LiveFeed(place.start, { connection, prefix, logger, stallMs: answerTimeoutMs, onNews });
  }

  /**
   * Tries until the server answers, or the signal is given. Throws an Error when the connection string is wrong,
   * and AccessDenied when the server refuses the user.
   */
  static async open(
    connectionString: string,
    given: EventStoreDbOptions,
    signal?: AbortSignal,
  ): Promise<EventStoreDb> {
    const options = withDefaults(given);
    const connection = new Connection(clientConnectionString(connectionString));
    const reader = new StreamReader(connection, options.streamPrefix, options.answerTimeoutMs);
    const backoff = new Backoff();
    for (;;) {
      try {
        const last = await reader.last(FEED_BEGINS_BEFORE_END, { isFiltered: false });
        const start = last.length < FEED_BEGINS_BEFORE_END ? 0 : (last.at(-1) ?? 0);
        return new EventStoreDb(connection, options, { start, end: last[0] ?? 0 });
      } catch (error) {
        const failure = failures.failureOf(error);
        if (!failures.isTransient(failure) || signal?.aborted) {
          await connection.close();
          throw failure;
        }
        if (failure instanceof failures.NoAnswer) connection.reconnect();
        const fields = failures.describeFailure(failure);
        options.logger.warn(fields, 'EVENT_STORE_URL: the event log does not answer and is tried again');
      }
      await backoff.pause(signal);
    }
  }

  async append(
    stream: string,
    expected: ExpectedRevision,
    events: readonly NewEvent[],
  ): Promise<AppendResult> {
    this.assertOpen();
    return this.during(this.appendEvents(stream, expected, events));
  }

  async read(stream: string, options: ReadOptions = {}): Promise<RecordedEvent[]> {
    this.assertOpen();
    return this.during(this.retried(() => this.reader.events(stream, pageRange(options))));
  }

  /** Throws `illegal_state` when `after` lies beyond the end: this log is then not the one that it was read from. */
  subscribe(options: SubscribeOptions, onBatch: (batch: Batch) => Promise<void>): Subscription {
    this.assertOpen();
    const end = Math.max(this.place.end, this.feed.known);
    if (options.after > BigInt(end)) {
      throw illegalState(
        `position ${options.after} lies beyond the end of the log, ${end}: it is older than what was made from it`,
      );
    }
    const { connection, feed } = this;
    const { logger, streamPrefix: prefix } = this.options;
    const fail = (error: unknown): void => {
      logger.warn(failures.describeFailure(error), 'a subscription to the event log has ended');
    };
    const source = new CatchUp({ connection, feed, prefix, logger, fail });
    const subscription = new LogSubscription(source, options, onBatch);
    this.subscriptions.add(subscription);
    return {
      close: async () => {
        this.subscriptions.delete(subscription);
        await subscription.close();
      },
    };
  }

  /** Of what the server wrote for itself nothing counts: no subscription is given it either. */
  async head(): Promise<bigint> {
    this.assertOpen();
    const retryForMs = Math.min(this.options.retryForMs, HEAD_RETRY_FOR_MS);
    const last = this.retried(() => this.reader.last(1, { isFiltered: true }), retryForMs);
    return BigInt((await this.during(last))[0] ?? 0);
  }

  /** Asks the leader for an append that it can only refuse; a node that merely lives does not count. */
  ready(): Promise<void> {
    this.probing ??= this.probe().finally(() => {
      this.probing = undefined;
    });
    return this.probing;
  }

  /** Ends the subscriptions, whose handlers may append to the last, then waits for what is under way. */
  close(): Promise<void> {
    this.closed ??= this.shutDown();
    return this.closed;
  }

  private async appendEvents(
    stream: string,
    expected: ExpectedRevision,
    events: readonly NewEvent[],
  ): Promise<AppendResult> {
    const { request } = appendRequest(stream, expected, events);
    const append = { ...request, stream: `${this.options.streamPrefix}${stream}` };
    const { revision, position } = await this.retried(() => this.appends.send(append)).catch(
      (error: unknown) => {
        throw error instanceof failures.WrongRevision
          ? new RevisionConflict(stream, expected, error.actual)
          : error;
      },
    );
    const [row] = request.rows;
    const stored =
      row && events.length === 1 && position !== undefined
        ? [recordedEvent(row, { stream, revision, position })]
        : await this.readBack(stream, revision, events.length);
    const last = stored.at(-1)?.position ?? BigInt(position ?? 0);
    this.feed.expect(Number(last));
    return { revision, position: last, events: stored };
  }

  /** The server tells the position of an append's last event alone. The append stands, whether this succeeds or not. */
  private async readBack(stream: string, revision: number, count: number): Promise<RecordedEvent[]> {
    const range = { from: revision - count + 1, limit: count, backwards: false };
    return this.retried(() => this.reader.events(stream, range)).catch(() => []);
  }

  private async probe(): Promise<void> {
    this.assertOpen();
    try {
      await this.appends.send({ ...PROBE, expected: IMPOSSIBLE_REVISION });
    } catch (error) {
      if (error instanceof failures.WrongRevision) return;
      throw failures.outOfReach(failures.failureOf(error));
    }
    throw unavailable('the event log accepted what it had to refuse');
  }

  /** Tries again what failed for a reason that may pass. The very same request is sent each time. */
  private async retried<Result>(
    attempt: () => Promise<Result>,
    retryForMs = this.options.retryForMs,
  ): Promise<Result> {
    const backoff = new Backoff(MAX_RETRY_PAUSE_MS);
    const giveUpAt = performance.now() + retryForMs;
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        const failure = failures.failureOf(error);
        if (failure instanceof failures.Refused) throw failures.outOfReach(failure);
        if (!failures.isTransient(failure)) throw failure;
        if (performance.now() > giveUpAt || this.closing.signal.aborted) throw failures.outOfReach(failure);
      }
      await backoff.pause(this.closing.signal);
    }
  }

  private async during<Result>(work: Promise<Result>): Promise<Result> {
    this.underWay.add(work);
    try {
      return await work;
    } finally {
      this.underWay.delete(work);
    }
  }

  private assertOpen(): void {
    if (this.closing.signal.aborted) throw unavailable('the event log is closed');
  }

  private async shutDown(): Promise<void> {
    await Promise.all([...this.subscriptions].map((subscription) => subscription.close()));
    this.closing.abort();
    await inTime(Promise.allSettled(this.underWay), CLOSE_TIMEOUT_MS).catch(() => undefined);
    await this.feed.close();
    await this.connection.close();
    this.options.onClosed();
  }
}
