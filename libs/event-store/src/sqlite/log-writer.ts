import { Worker } from 'node:worker_threads';
import { type RecordedEvent, TenantryError, unavailable } from '#kernel';
import { recordedEvent } from '../event-row.js';
import type {
  AppendOutcome,
  AppendRequest,
  WriterOptions,
  WriterReply,
  WriterRequest,
} from './writer.worker.js';

const MAX_WAITING_APPENDS = 10_000;
const MAX_WAITING_BYTES = 67_108_864;
const MAX_BATCH_EVENTS = 1_000;
const MAX_BATCH_BYTES = 4_194_304;

/** An append's outcome, with its events where this append stored them. */
export interface Written {
  outcome: AppendOutcome;
  events: RecordedEvent[];
}

interface Waiting {
  request: AppendRequest;
  bytes: number;
  resolve(written: Written): void;
  reject(error: Error): void;
}

/**
 * Group commit (DeWitt et al., "Implementation Techniques for Main Memory Database Systems", 1984): while the
 * writer thread commits one batch, the appends that arrive wait and go together in the next one.
 *
 * Fail-stop: after any error of the writer thread nothing is written any more, because after a failed fsync
 * nobody knows what the disk holds (PostgreSQL's rule since 2018).
 */
export class LogWriter {
  private waiting: Waiting[] = [];
  private waitingBytes = 0;
  private underWay: Waiting[] = [];
  private sendScheduled = false;
  private failure: TenantryError | undefined;
  private closing = false;
  private readonly exited: Promise<void>;
  private whenDrained: (() => void) | undefined;

  private constructor(
    private readonly worker: Worker,
    readonly head: number,
    /** From one position to the next. */
    private readonly step: number,
    private readonly onCommit: (events: RecordedEvent[], bytes: number) => void,
  ) {
    worker.on('message', (reply: WriterReply) => {
      if (reply.kind === 'committed') this.settle(reply.outcomes);
    });
    worker.on('error', (error) => this.fail(error));
    this.exited = new Promise((resolve) => {
      worker.once('exit', () => {
        if (!this.closing || this.pending > 0) this.fail(new Error('the writer thread has ended'));
        resolve();
      });
    });
  }

  /** `onCommit` gets the events of each commit in log order, before their appends resolve. */
  static async open(
    workerData: WriterOptions,
    onCommit: (events: RecordedEvent[], bytes: number) => void,
  ): Promise<LogWriter> {
    const name = import.meta.url.endsWith('.ts') ? './writer.worker.ts' : './writer.worker.js';
    const worker = new Worker(new URL(name, import.meta.url), { workerData });
    const head = await new Promise<number>((resolve, reject) => {
      worker.once('error', reject);
      worker.once('message', (reply: WriterReply) => {
        worker.off('error', reject);
        if (reply.kind === 'opened') resolve(reply.head);
      });
    });
    return new LogWriter(worker, head, workerData.positions?.divisor ?? 1, onCommit);
  }

  /** Resolves after the commit. Rejects with `unavailable` when the queue is full or the log has stopped. */
  append(request: AppendRequest, bytes: number): Promise<Written> {
    return new Promise((resolve, reject) => {
      const refusal = this.refusal();
      if (refusal) return reject(refusal);
      this.waiting.push({ request, bytes, resolve, reject });
      this.waitingBytes += bytes;
      this.scheduleSend();
    });
  }

  /** Why an append would be refused just now. */
  refusal(): TenantryError | undefined {
    if (this.failure) return this.failure;
    if (this.closing) return unavailable('the event log is closed');
    const isFull = this.waiting.length >= MAX_WAITING_APPENDS || this.waitingBytes >= MAX_WAITING_BYTES;
    return isFull ? unavailable('too many appends are waiting for the event log') : undefined;
  }

  /** Stops the log for good. What was under way may or may not be stored. */
  fail(cause: unknown): void {
    const failure = unavailable('the event log has stopped after an error; it needs a restart', { cause });
    this.failure ??= failure;
    for (const { reject } of [...this.underWay, ...this.waiting]) reject(this.failure);
    this.underWay = [];
    this.waiting = [];
    this.whenDrained?.();
  }

  /** Takes no more appends and waits until those taken are committed or refused. */
  async drain(): Promise<void> {
    this.closing = true;
    if (this.pending === 0) return;
    await new Promise<void>((resolve) => {
      this.whenDrained = resolve;
    });
  }

  /** Ends the thread, after `drain`. Rejects when that fails. */
  async close(): Promise<void> {
    const hadFailed = this.failure !== undefined;
    this.post({ kind: 'close' });
    await this.exited;
    if (this.failure && !hadFailed) throw this.failure;
  }

  private get pending(): number {
    return this.underWay.length + this.waiting.length;
  }

  /** Deferred to the end of this turn of the event loop, so that what arrives together is committed together. */
  private scheduleSend(): void {
    if (this.sendScheduled || this.underWay.length > 0 || this.waiting.length === 0) return;
    this.sendScheduled = true;
    setImmediate(() => {
      this.sendScheduled = false;
      this.underWay = this.takeBatch();
      if (this.underWay.length === 0) return;
      this.post({ kind: 'append', requests: this.underWay.map(({ request }) => request) });
    });
  }

  private takeBatch(): Waiting[] {
    let [count, events, bytes] = [0, 0, 0];
    for (const next of this.waiting) {
      events += next.request.rows.length;
      bytes += next.bytes;
      if (count > 0 && (events > MAX_BATCH_EVENTS || bytes > MAX_BATCH_BYTES)) break;
      count++;
    }
    const batch = this.waiting.splice(0, count);
    for (const taken of batch) this.waitingBytes -= taken.bytes;
    return batch;
  }

  private settle(outcomes: AppendOutcome[]): void {
    const batch = this.underWay;
    this.underWay = [];
    const written = outcomes.map((outcome, index): Written => {
      const request = batch[index]?.request;
      return {
        outcome,
        events: request && outcome.kind === 'stored' ? this.storedEvents(request, outcome) : [],
      };
    });
    const bytes = batch.reduce((sum, append) => sum + append.bytes, 0);
    this.onCommit(
      written.flatMap(({ events }) => events),
      bytes,
    );
    written.forEach((result, index) => {
      batch[index]?.resolve(result);
    });
    this.scheduleSend();
    if (this.pending === 0) this.whenDrained?.();
  }

  private storedEvents(
    { stream, rows }: AppendRequest,
    last: { revision: number; position: number },
  ): RecordedEvent[] {
    return rows.map((row, index) => {
      const toLast = rows.length - 1 - index;
      const position = last.position - toLast * this.step;
      return recordedEvent(row, { stream, revision: last.revision - toLast, position });
    });
  }

  private post(message: WriterRequest): void {
    this.worker.postMessage(message);
  }
}
