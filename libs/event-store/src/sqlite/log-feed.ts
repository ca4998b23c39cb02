import { setImmediate as endOfTurn } from 'node:timers/promises';
import { illegalState, type RecordedEvent } from '#kernel';
import { liveEvent } from '../event-row.js';
import type { Batch, SubscribeOptions, Subscription } from '../event-store.js';
import { LogSubscription, type Scan, type ScanResult } from '../log-subscription.js';
import { RecentEvents } from '../recent-events.js';
import type { AppendOutcome, AppendRequest } from './log-file.js';
import type { LogReader } from './log-reader.js';

/** The events of an append that was stored, made from what was asked for. */
export function storedEvents(
  { stream, rows }: AppendRequest,
  outcome: AppendOutcome,
  step: number,
): RecordedEvent[] {
  if (outcome.kind !== 'stored') return [];
  return rows.map((row, index) => {
    const toLast = rows.length - 1 - index;
    const position = outcome.position - toLast * step;
    return liveEvent(row, { stream, revision: outcome.revision - toLast, position });
  });
}

/** Those who follow a log in one thread: from memory while they keep up, from the file where they are behind. */
export class LogFeed {
  readonly #subscriptions = new Set<LogSubscription>();
  readonly #recent: RecentEvents;

  constructor(
    private readonly reader: LogReader,
    head: number,
    /** Takes an error of reading, which ends the subscription. */
    private readonly onFailure: (error: unknown) => void,
  ) {
    this.#recent = new RecentEvents(head);
  }

  async head(): Promise<bigint> {
    return BigInt(this.#recent.head);
  }

  /** In log order; all that was committed since the last call. */
  committed(events: readonly RecordedEvent[], bytes: number): void {
    if (events.length === 0) return;
    this.#recent.add(events, bytes);
    for (const subscription of this.#subscriptions) subscription.wake();
  }

  /** Throws `illegal_state` when `after` lies beyond the end: this log is then older than what was made from it. */
  subscribe(options: SubscribeOptions, onBatch: (batch: Batch) => Promise<void>): Subscription {
    if (options.after > BigInt(this.#recent.head)) {
      throw illegalState(
        `position ${options.after} lies beyond the end of the log, ${this.#recent.head}: it is older than what was made from it`,
      );
    }
    const source = {
      head: () => this.#recent.head,
      scan: (scan: Scan) => this.#scan(scan),
      fail: this.onFailure,
    };
    const subscription = new LogSubscription(source, options, onBatch);
    this.#subscriptions.add(subscription);
    return {
      close: async () => {
        this.#subscriptions.delete(subscription);
        await subscription.close();
      },
    };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()));
  }

  async #scan(scan: Scan): Promise<ScanResult> {
    const recent = this.#recent.scan(scan);
    if (recent) return recent;
    // Reading the file holds up the thread; between two reads everybody else has a turn.
    await endOfTurn();
    return this.reader.scan(scan);
  }
}
