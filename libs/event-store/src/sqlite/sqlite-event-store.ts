import { setImmediate as endOfTurn } from 'node:timers/promises';
import { type NewEvent, type RecordedEvent, unavailable } from '#kernel';
import { appendRequest, expectedRevision } from '../event-row.js';
import {
  type AppendResult,
  type Batch,
  type EventStore,
  type ExpectedRevision,
  LOG_NUMBERS,
  type ReadOptions,
  RevisionConflict,
  type SubscribeOptions,
  type Subscription,
} from '../event-store.js';
import { LogSubscription, type Scan, type ScanResult } from '../log-subscription.js';
import { pageRange } from '../pages.js';
import { RecentEvents } from '../recent-events.js';
import { ExclusiveLock } from './exclusive-lock.js';
import { LogReader } from './log-reader.js';
import { LogWriter } from './log-writer.js';

/**
 * The log in one SQLite file: appends go through a writer thread with group commit, reads are made on the calling
 * thread. Positions are 1, 2, 3 and so on without gaps, unless the log has a number: then every eighth. Events handed out may be shared: nobody changes them.
 * Data is kept as JSON, so what JSON does not know (`-0`, `undefined`) comes back as JSON has it.
 */
export class SqliteEventStore implements EventStore {
  /** The lock on the file sees to it. */
  readonly exclusive = true;
  private readonly subscriptions = new Set<LogSubscription>();
  private readonly recent: RecentEvents;
  private closing: Promise<void> | undefined;
  private isOpen = true;

  private constructor(
    private readonly lock: ExclusiveLock,
    private readonly writer: LogWriter,
    private readonly reader: LogReader,
  ) {
    this.recent = new RecentEvents(writer.head);
  }

  /**
   * Opens or makes the log in `file`, whose folder must exist; beside it stands `file.lock`. Throws `unavailable`
   * while it is open elsewhere, and an Error when a newer version of the program wrote it.
   */
  static async open(
    file: string,
    { logNumber }: { logNumber?: number | undefined } = {},
  ): Promise<SqliteEventStore> {
    const positions = logNumber === undefined ? undefined : { divisor: LOG_NUMBERS, remainder: logNumber };
    const lock = ExclusiveLock.acquire(`${file}.lock`);
    try {
      const writer = await LogWriter.open({ file, positions }, (events, bytes) =>
        store.committed(events, bytes),
      );
      const store = new SqliteEventStore(lock, writer, new LogReader(file));
      return store;
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  async append(
    stream: string,
    expected: ExpectedRevision,
    events: readonly NewEvent[],
  ): Promise<AppendResult> {
    const { request, bytes } = appendRequest(stream, expected, events);
    const { outcome, events: stored } = await this.writer.append(request, bytes);
    if (outcome.kind === 'conflict') {
      throw new RevisionConflict(stream, expected, expectedRevision(outcome.actual));
    }
    const { kind, revision, position } = outcome;
    const place = { from: request.expected + 1, limit: events.length, backwards: false };
    const firstWrite = () => this.reader.readStream(stream, place);
    return {
      revision,
      position: BigInt(position),
      events: kind === 'repeated' ? firstWrite() : stored,
    };
  }

  async read(stream: string, options: ReadOptions = {}): Promise<RecordedEvent[]> {
    if (!this.isOpen) throw unavailable('the event log is closed');
    return this.reader.readStream(stream, pageRange(options));
  }

  /** Throws an Error when `after` lies beyond the end: this log is then older than what was made from it. */
  subscribe(options: SubscribeOptions, onBatch: (batch: Batch) => Promise<void>): Subscription {
    if (this.closing) throw unavailable('the event log is closed');
    if (options.after > BigInt(this.recent.head)) {
      throw new Error(`position ${options.after} lies beyond the end of the log, ${this.recent.head}`);
    }
    const source = {
      head: () => this.recent.head,
      scan: (scan: Scan) => this.scan(scan),
      fail: (error: unknown) => this.writer.fail(error),
    };
    const subscription = new LogSubscription(source, options, onBatch);
    this.subscriptions.add(subscription);
    return {
      close: async () => {
        this.subscriptions.delete(subscription);
        await subscription.close();
      },
    };
  }

  async head(): Promise<bigint> {
    return BigInt(this.recent.head);
  }

  async ready(): Promise<void> {
    const refusal = this.writer.refusal();
    if (refusal) throw refusal;
  }

  /** Ends the subscriptions, whose handlers may append to the last, then commits what waits. */
  close(): Promise<void> {
    this.closing ??= this.shutDown();
    return this.closing;
  }

  private async shutDown(): Promise<void> {
    await Promise.all([...this.subscriptions].map((subscription) => subscription.close()));
    await this.writer.drain();
    this.isOpen = false;
    // The writer closes last: the last connection folds the write-ahead log into the file, and this one can't.
    this.reader.close();
    await this.writer.close().finally(() => this.lock.release());
  }

  private committed(events: RecordedEvent[], bytes: number): void {
    this.recent.add(events, bytes);
    for (const subscription of this.subscriptions) subscription.wake();
  }

  private async scan(scan: Scan): Promise<ScanResult> {
    const recent = this.recent.scan(scan);
    if (recent) return recent;
    // Reading the table holds up the event loop; between two reads everybody else has a turn.
    await endOfTurn();
    return this.reader.scan(scan);
  }
}
