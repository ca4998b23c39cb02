import { Worker } from 'node:worker_threads';
import { type TenantryError, unavailable } from '#kernel';
import type { QueryRunner } from '#projections';
import { builtUrl } from './built-url.js';
import { thrownError } from './plain-error.js';
import type { Question, ReaderOptions, ReaderReport } from './reader-protocol.js';

/** Questions beyond these wait nowhere: they are refused. */
const MAX_WAITING = 10_000;
const WORKER = new URL('./reader.worker.js', builtUrl(import.meta.url));

interface Waiting {
  resolve(given: unknown): void;
  reject(error: Error): void;
}

/** This side of the thread that answers lists and searches. What is asked in one turn of the event loop is one message. */
export class Reader implements QueryRunner {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #exited: Promise<void>;
  #unsent: Question[] = [];
  #lastNumber = 0;
  #failure: TenantryError | undefined;

  /** `failed` is told of errors that nobody waits for. */
  constructor(options: ReaderOptions, failed: (error: Error) => void) {
    const workerData = { ...options, modules: options.modules.map((url) => builtUrl(url)) };
    this.#worker = new Worker(WORKER, { workerData, name: 'reader' });
    this.#worker.on('message', (report: ReaderReport) => {
      if (report.kind === 'failed') failed(thrownError(report.error));
      else if (report.kind === 'answer') this.#taken(report.number)?.resolve(report.given);
      else this.#taken(report.number)?.reject(thrownError(report.error));
    });
    this.#worker.on('error', (error) => {
      failed(error);
      this.#fail(error);
    });
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#fail(new Error('the thread has ended'));
        resolve();
      });
    });
  }

  /** Rejects with what the query throws, and with `unavailable` when the thread has ended or too much waits for it. */
  ask(name: string, asked: readonly unknown[]): Promise<unknown> {
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#waiting.size >= MAX_WAITING) return Promise.reject(unavailable('too many reads are waiting'));
    const number = ++this.#lastNumber;
    const given = new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject });
    });
    this.#send({ kind: 'ask', number, name, asked });
    return given;
  }

  /** Other tables took the place of those that were read. */
  replaced(projection: string): void {
    this.#send({ kind: 'replaced', projection });
  }

  async close(): Promise<void> {
    if (!this.#failure) this.#send({ kind: 'close' });
    await this.#exited;
  }

  #send(question: Question): void {
    this.#unsent.push(question);
    if (this.#unsent.length > 1) return;
    setImmediate(() => {
      const questions = this.#unsent;
      this.#unsent = [];
      this.#worker.postMessage(questions);
    });
  }

  #fail(cause: Error): void {
    this.#failure ??= unavailable('the reader has stopped; it needs a restart', { cause });
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(this.#failure);
  }

  #taken(number: number): Waiting | undefined {
    const waiting = this.#waiting.get(number);
    this.#waiting.delete(number);
    return waiting;
  }
}
