import { Worker } from 'node:worker_threads';
import { FairTurns, unavailable } from '#kernel';
import type { QueryRunner } from '#projections';
import { builtUrl } from './built-url.js';
import { thrownError } from './plain-error.js';
import type { Question, ReaderOptions, ReaderReport } from './reader-protocol.js';

/** Questions beyond these wait nowhere: they are refused. */
const MAX_WAITING = 10_000;
/**
 * At once, so that the thread always has something to do, and the event loop few answers of some megabytes. One group has
 * no more than some of these places: a first search waits for an index in its place.
 */
const MAX_ASKED = { inAll: 24, ofGroup: 12 };
const RESTART_DELAY_MS = 1_000;
const WORKER = new URL('./reader.worker.js', builtUrl(import.meta.url));

const ended = () => unavailable('the thread that reads has ended; another one is started');

interface Waiting {
  resolve(given: unknown): void;
  reject(error: Error): void;
}

/**
 * This side of the thread that answers lists and searches. What is asked in one turn of the event loop is one message.
 * After an error that ends the thread another one takes its place; what was asked of it is refused.
 */
export class Reader implements QueryRunner {
  readonly #options: ReaderOptions;
  readonly #failed: (error: Error) => void;
  readonly #turns = new FairTurns(
    MAX_ASKED.inAll,
    { ofGroup: MAX_WAITING, inAll: MAX_WAITING },
    MAX_ASKED.ofGroup,
  );
  readonly #waiting = new Map<number, Waiting>();
  readonly #replaced = new Set<string>();
  readonly #closed = Promise.withResolvers<void>();
  #worker: Worker | undefined;
  #restart: NodeJS.Timeout | undefined;
  #isClosing = false;
  #unsent: Question[] = [];
  #lastNumber = 0;

  /** `failed` is told of errors that nobody waits for. */
  constructor(options: ReaderOptions, failed: (error: Error) => void) {
    this.#options = { ...options, modules: options.modules.map((url) => builtUrl(url)) };
    this.#failed = failed;
    this.#start();
  }

  /** Rejects with what the query throws, and with `unavailable` where the thread ends or too much waits for it. */
  async ask(group: string, name: string, asked: readonly unknown[]): Promise<unknown> {
    const turn = this.#turns.enter(group);
    if (!turn) throw unavailable('too many reads are waiting');
    try {
      await turn.begin;
      return await this.#ask(name, asked);
    } finally {
      turn.leave();
    }
  }

  #ask(name: string, asked: readonly unknown[]): Promise<unknown> {
    if (!this.#worker) throw ended();
    const number = ++this.#lastNumber;
    const given = new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject });
    });
    this.#send({ kind: 'ask', number, name, asked });
    return given;
  }

  /** Other tables took the place of those that were read. */
  replaced(projection: string): void {
    this.#replaced.add(projection);
    if (this.#worker) this.#send({ kind: 'replaced', projection });
  }

  close(): Promise<void> {
    this.#isClosing = true;
    clearTimeout(this.#restart);
    if (this.#worker) this.#send({ kind: 'close' });
    else this.#closed.resolve();
    return this.#closed.promise;
  }

  #start(): void {
    const worker = new Worker(WORKER, { workerData: this.#options, name: 'reader' });
    worker.on('message', (report: ReaderReport) => {
      if (report.kind === 'failed') this.#failed(thrownError(report.error));
      else if (report.kind === 'answer') this.#taken(report.number)?.resolve(report.given);
      else this.#taken(report.number)?.reject(thrownError(report.error));
    });
    worker.on('error', this.#failed);
    worker.once('exit', () => this.#ended());
    this.#worker = worker;
    for (const projection of this.#replaced) this.#send({ kind: 'replaced', projection });
  }

  #ended(): void {
    this.#worker = undefined;
    this.#unsent = [];
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(ended());
    if (this.#isClosing) this.#closed.resolve();
    else this.#restart = setTimeout(() => this.#start(), RESTART_DELAY_MS);
  }

  #send(question: Question): void {
    this.#unsent.push(question);
    if (this.#unsent.length > 1) return;
    setImmediate(() => {
      const questions = this.#unsent;
      this.#unsent = [];
      this.#worker?.postMessage(questions);
    });
  }

  #taken(number: number): Waiting | undefined {
    const waiting = this.#waiting.get(number);
    this.#waiting.delete(number);
    return waiting;
  }
}
