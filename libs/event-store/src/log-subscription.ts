import { setTimeout as delay } from 'node:timers/promises';
import type { RecordedEvent } from '#kernel';
import type { Batch, SubscribeOptions, Subscription } from './event-store.js';

const DEFAULT_BATCH_SIZE = 512;
const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 5_000;

/** What a subscriber asks for: at most `limit` events after a position, of some categories (undefined: all). */
export interface Scan {
  after: number;
  /** The last position to look at. */
  head: number;
  limit: number;
  categories: ReadonlySet<string> | undefined;
}

/** What a scan found, and the position up to which it looked. */
export interface ScanResult {
  events: RecordedEvent[];
  position: number;
}

/** Where a subscription reads. `scan` answers what lies after a position; it waits rather than answer nothing. */
export interface SubscriptionSource {
  head(): number;
  scan(scan: Scan): Promise<ScanResult>;
  /** Takes an error of reading, which ends the subscription. */
  fail(error: unknown): void;
  /** Nothing is read any more; a scan under way ends. */
  release?(): void;
}

/** Pulls batches from the log at the pace of its handler, so that a slow one costs nobody else anything. */
export class LogSubscription implements Subscription {
  private position: number;
  private readonly limit: number;
  private readonly categories: ReadonlySet<string> | undefined;
  private readonly closing = new AbortController();
  private readonly ended: Promise<void>;
  private wakeUp: (() => void) | undefined;

  constructor(
    private readonly source: SubscriptionSource,
    options: SubscribeOptions,
    private readonly onBatch: (batch: Batch) => Promise<void>,
  ) {
    this.position = Number(options.after);
    this.limit = options.maxBatchSize ?? DEFAULT_BATCH_SIZE;
    this.categories = options.categories && new Set(options.categories);
    this.ended = this.run().catch((error: unknown) => source.fail(error));
  }

  /** The log has grown. */
  wake(): void {
    this.wakeUp?.();
  }

  async close(): Promise<void> {
    this.closing.abort();
    this.source.release?.();
    this.wake();
    await this.ended;
  }

  private get isClosing(): boolean {
    return this.closing.signal.aborted;
  }

  private async run(): Promise<void> {
    while (!this.isClosing) {
      if (this.source.head() > this.position) {
        await this.deliver(await this.nextBatch());
      } else {
        await new Promise<void>((resolve) => {
          this.wakeUp = resolve;
        });
      }
    }
  }

  /** Passes over what the filter leaves out, so that at most the last batch before the head is empty. */
  private async nextBatch(): Promise<Batch> {
    let found: ScanResult = { events: [], position: this.position };
    while (found.events.length === 0 && found.position < this.source.head() && !this.isClosing) {
      const { limit, categories } = this;
      found = await this.source.scan({ after: found.position, head: this.source.head(), limit, categories });
    }
    return { events: found.events, position: BigInt(found.position) };
  }

  private async deliver(batch: Batch): Promise<void> {
    for (
      let backoffMs = FIRST_BACKOFF_MS;
      !this.isClosing;
      backoffMs = Math.min(backoffMs * 2, MAX_BACKOFF_MS)
    ) {
      try {
        await this.onBatch(batch);
        this.position = Number(batch.position);
        return;
      } catch {
        // The handler reports its own errors; here it is offered the batch again. Closing ends the wait.
        await delay(backoffMs, undefined, { signal: this.closing.signal }).catch(() => undefined);
      }
    }
  }
}
