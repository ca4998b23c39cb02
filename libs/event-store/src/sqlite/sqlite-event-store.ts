import { type NewEvent, type RecordedEvent, unavailable } from '#kernel';
import { appendRequest, expectedRevision, openedTexts } from '../event-row.js';
import {
  type AppendOptions,
  type AppendResult,
  type Batch,
  type ClaimedKeys,
  type EventStore,
  type ExpectedRevision,
  KeyTaken,
  type ReadOptions,
  RevisionConflict,
  type SubscribeOptions,
  type Subscription,
} from '../event-store.js';
import { pageRange } from '../pages.js';
import { LogFeed, storedEvents } from './log-feed.js';
import type { AppendOutcome, AppendRequest, TakenOutcome } from './log-file.js';
import { LogReader } from './log-reader.js';

/** The thread that writes the log's file. */
export interface LogWriter {
  /** When it was opened. */
  readonly head: number;
  /** From one position to the next. */
  readonly step: number;
  /** Resolves after the commit, in log order. Rejects with `unavailable` when the log has stopped or too much waits. */
  append(
    request: AppendRequest,
    options: { bytes: number; claimed?: ClaimedKeys | undefined },
  ): Promise<AppendOutcome | TakenOutcome>;
  /** Rejects with the reason if an append would be refused just now. */
  ready(): Promise<void>;
  /** Stops the log for good. */
  fail(cause: unknown): void;
}

/**
 * The log in one SQLite file: appends go to the thread that writes it, reads are made on the calling thread.
 * Positions are 1, 2, 3 and so on without gaps, unless the log has a number: then every eighth. Events handed out
 * may be shared: nobody changes them.
 * Data is kept as JSON, so what JSON does not know (`-0`, `undefined`) comes back as JSON has it.
 */
export class SqliteEventStore implements EventStore {
  /** The lock on the file sees to it. */
  readonly exclusive = true;
  readonly takesClaims: boolean;
  readonly #writer: LogWriter;
  readonly #reader: LogReader;
  readonly #feed: LogFeed;
  #closing: Promise<void> | undefined;
  #isOpen = true;

  /** `takesClaims` where the writer keeps the keys of identifiers too. */
  constructor(file: string, writer: LogWriter, { takesClaims = false } = {}) {
    this.takesClaims = takesClaims;
    this.#writer = writer;
    this.#reader = new LogReader(file);
    this.#feed = new LogFeed(this.#reader, writer.head, (error) => writer.fail(error));
  }

  async append(
    stream: string,
    expected: ExpectedRevision,
    events: readonly NewEvent[],
    { claimed }: AppendOptions = {},
  ): Promise<AppendResult> {
    const { request, bytes } = appendRequest(stream, expected, events);
    const asked = { ...request, opened: openedTexts(events) };
    const outcome = await this.#writer.append(asked, { bytes, claimed });
    if (outcome.kind === 'taken') throw new KeyTaken(outcome.index, outcome.holder, outcome.revision);
    const stored = storedEvents(request, outcome, this.#writer.step);
    this.#feed.committed(stored, bytes);
    if (outcome.kind === 'conflict') {
      throw new RevisionConflict(stream, expected, expectedRevision(outcome.actual));
    }
    const { kind, revision, position } = outcome;
    const place = { from: request.expected + 1, limit: events.length, backwards: false };
    const firstWrite = () => this.#reader.readStream(stream, place);
    return {
      revision,
      position: BigInt(position),
      events: kind === 'repeated' ? firstWrite() : stored,
    };
  }

  async read(stream: string, options: ReadOptions = {}): Promise<RecordedEvent[]> {
    if (!this.#isOpen) throw unavailable('the event log is closed');
    return this.#reader.readStream(stream, pageRange(options));
  }

  subscribe(options: SubscribeOptions, onBatch: (batch: Batch) => Promise<void>): Subscription {
    if (this.#closing) throw unavailable('the event log is closed');
    return this.#feed.subscribe(options, onBatch);
  }

  head(): Promise<bigint> {
    return this.#feed.head();
  }

  ready(): Promise<void> {
    return this.#writer.ready();
  }

  /** Ends the subscriptions, whose handlers may append to the last. What waits is the writer's to commit. */
  close(): Promise<void> {
    this.#closing ??= this.#shutDown();
    return this.#closing;
  }

  async #shutDown(): Promise<void> {
    await this.#feed.close();
    this.#isOpen = false;
    this.#reader.close();
  }
}
