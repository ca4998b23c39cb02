import { Worker } from 'node:worker_threads';
import { type TenantryError, unavailable } from '#kernel';
import { builtUrl } from './built-url.js';
import { thrownError } from './plain-error.js';
import {
  type AnswerTo,
  type Kind,
  type Numbered,
  type Report,
  type Request,
  type Requests,
  type StorageOptions,
  UNANSWERED,
} from './protocol.js';

/** Requests beyond these wait nowhere: they are refused. */
const MAX_WAITING = 10_000;
const MAX_WAITING_BYTES = 67_108_864;
const ANSWERS_A_TURN = 8;
const WORKER = new URL('./storage.worker.js', builtUrl(import.meta.url));

interface Waiting {
  bytes: number;
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

type Round = Extract<Report, { kind: 'round' }>;

export type StorageLog = (entry: Omit<Extract<Report, { kind: 'log' }>, 'kind'>) => void;

/**
 * This side of the thread that owns the SQLite files. What is asked for in one turn of the event loop goes to it in one
 * message; it answers when what was asked for is done and seen by readers.
 *
 * Fail-stop: after any error of the thread nothing is written any more, because after a failed sync nobody knows what
 * the disk holds (PostgreSQL's rule since 2018).
 */
export class Storage {
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners: ((round: Round) => void)[] = [];
  readonly #exited: Promise<void>;
  #waitingBytes = 0;
  #lastNumber = 0;
  #unsent: Numbered[] = [];
  /** Answers that have come and are still to be given. */
  #due: (() => void)[] = [];
  #failure: TenantryError | undefined;
  #closing: Promise<void> | undefined;

  private constructor(
    private readonly worker: Worker,
    /** The position of the log's last event when it was opened. */
    readonly head: number,
    log: StorageLog,
  ) {
    worker.on('message', (report: Report) => {
      if (report.kind === 'round') this.#settle(report);
      else if (report.kind === 'log') log(report);
    });
    worker.on('error', (error) => this.fail(error));
    this.#exited = new Promise((resolve) => {
      worker.once('exit', () => {
        this.#settleSome(this.#due.length);
        if (this.#waiting.size > 0 || !this.#closing) this.fail(new Error('the storage thread has ended'));
        resolve();
      });
    });
  }

  /** Opens or makes the files, whose folders must exist. Rejects with what keeps them from being opened. */
  static async open(options: StorageOptions, log: StorageLog = () => undefined): Promise<Storage> {
    const worker = new Worker(WORKER, { workerData: options, name: 'storage' });
    const head = await new Promise<number>((resolve, reject) => {
      const take = (report: Report): void => {
        if (report.kind !== 'log') worker.off('error', reject).off('message', take);
        if (report.kind === 'log') log(report);
        else if (report.kind === 'opened') resolve(report.head);
        else if (report.kind === 'refused') reject(thrownError(report.error));
      };
      worker.on('error', reject).on('message', take);
    });
    return new Storage(worker, head, log);
  }

  /** Called with each round of the thread's work, before what it answers is known to those who asked. */
  onRound(listener: (round: Round) => void): void {
    this.#listeners.push(listener);
  }

  /** Rejects with `unavailable` when the thread has stopped or too much waits for it. */
  ask<Of extends Kind>(kind: Of, asked: Requests[Of]['ask'], bytes = 0): Promise<AnswerTo<Of>> {
    const refusal = this.refusal();
    if (refusal) return Promise.reject(refusal);
    return this.#send({ kind, ...asked } as Request, bytes) as Promise<AnswerTo<Of>>;
  }

  /** Done before whatever is asked for later, or that fails too: nobody waits for it, so it has no answer. */
  tell<Of extends Kind>(kind: Of, told: Requests[Of]['ask']): void {
    if (!this.#failure && !this.#closing) this.#post([UNANSWERED, { kind, ...told } as Request]);
  }

  /** Why something would be refused just now. */
  refusal(): TenantryError | undefined {
    if (this.#failure) return this.#failure;
    if (this.#closing) return unavailable('the storage is closed');
    const isFull = this.#waiting.size >= MAX_WAITING || this.#waitingBytes >= MAX_WAITING_BYTES;
    return isFull ? unavailable('too much waits for the storage') : undefined;
  }

  async ready(): Promise<void> {
    await this.ask('ready', {});
  }

  /** Stops it for good. What was under way may or may not be stored. */
  fail(cause: unknown): void {
    this.#failure ??= unavailable('the storage has stopped after an error; it needs a restart', { cause });
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#waitingBytes = 0;
    for (const { reject } of waiting) reject(this.#failure);
  }

  /** Does what waits and closes the files. Rejects when that fails. */
  close(): Promise<void> {
    this.#closing ??= this.#shutDown();
    return this.#closing;
  }

  async #shutDown(): Promise<void> {
    if (this.#failure) await this.worker.terminate();
    else await this.#send({ kind: 'close' }, 0);
    await this.#exited;
  }

  #send(request: Request, bytes: number): Promise<unknown> {
    const number = ++this.#lastNumber;
    const answer = new Promise((resolve, reject) => {
      this.#waiting.set(number, { bytes, resolve, reject });
    });
    this.#waitingBytes += bytes;
    this.#post([number, request]);
    return answer;
  }

  #post(request: Numbered): void {
    if (this.#unsent.push(request) === 1) setImmediate(() => this.#flush());
  }

  #flush(): void {
    const requests = this.#unsent;
    this.#unsent = [];
    this.worker.postMessage(requests);
  }

  #settle(round: Round): void {
    for (const listener of this.#listeners) listener(round);
    const answers = round.answers.map(
      ([number, answer]) =>
        () =>
          this.#taken(number)?.resolve(answer),
    );
    const refusals = round.refusals.map(([number, error]) => {
      return () => this.#taken(number)?.reject(thrownError(error));
    });
    const isIdle = this.#due.length === 0;
    this.#due.push(...answers, ...refusals);
    if (isIdle) this.#settleSome(ANSWERS_A_TURN);
  }

  /** What is done upon many answers is spread over turns of the event loop. */
  #settleSome(limit: number): void {
    for (const settle of this.#due.splice(0, limit)) settle();
    if (this.#due.length > 0) setImmediate(() => this.#settleSome(ANSWERS_A_TURN));
  }

  #taken(number: number): Waiting | undefined {
    const waiting = this.#waiting.get(number);
    this.#waiting.delete(number);
    this.#waitingBytes -= waiting?.bytes ?? 0;
    return waiting;
  }
}
