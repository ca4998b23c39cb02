import type { Readable } from 'node:stream';
import { NoAnswer, StreamEnded } from './failures.js';
import { afterWaiting } from './in-time.js';

/** What a call to the server answers, item by item; `cancel` ends it. */
export type AnswerStream = Readable & { cancel(): void };

/**
 * Takes answers when they are asked for: what nobody asks for stays with the server, so that a slow reader costs
 * no memory here. The end, an error and a close are one thing: `next` rejects, at the regular end with StreamEnded.
 */
export class PulledStream<Item> {
  private failure: unknown;
  private wake: (() => void) | undefined;

  constructor(private readonly stream: AnswerStream) {
    const fail = (error: unknown): void => {
      this.failure ??= error;
      this.wake?.();
    };
    stream.on('readable', () => this.wake?.());
    stream.on('end', () => fail(new StreamEnded('the event log ended the stream')));
    stream.on('close', () => fail(new Error('the event log closed the stream')));
    // It stays for good: an error of a stream that nobody listens to would end the process.
    stream.on('error', fail);
  }

  /** An answer that is here already. */
  take(): Item | undefined {
    return (this.stream.read() as Item | null) ?? undefined;
  }

  /** Rejects with NoAnswer after the time-out, where there is one. */
  async next(timeoutMs?: number): Promise<Item> {
    const late = (): void => this.cancel(new NoAnswer('no answer came in time'));
    const stop = timeoutMs ? afterWaiting(timeoutMs, late) : undefined;
    try {
      for (;;) {
        const item = this.take();
        if (item !== undefined) return item;
        if (this.failure !== undefined) throw this.failure;
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
      }
    } finally {
      stop?.();
    }
  }

  cancel(reason: unknown = new Error('the stream was given up')): void {
    this.failure ??= reason;
    this.wake?.();
    this.stream.cancel();
  }
}
