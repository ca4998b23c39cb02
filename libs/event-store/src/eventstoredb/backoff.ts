import { setTimeout as sleep } from 'node:timers/promises';

const FIRST_MS = 100;
const MAX_MS = 5_000;

/**
 * Growing pauses between tries, each drawn between half and the whole of its length, so that many who lost the
 * same server don't come back at once (Brooker, "Exponential Backoff And Jitter", 2015).
 */
export class Backoff {
  private nextMs: number;

  constructor(
    private readonly maxMs = MAX_MS,
    private readonly firstMs = FIRST_MS,
  ) {
    this.nextMs = firstMs;
  }

  reset(): void {
    this.nextMs = this.firstMs;
  }

  /** Ends early, without an error, when the signal is given. */
  async pause(signal?: AbortSignal): Promise<void> {
    const delayMs = this.nextMs * (0.5 + Math.random() / 2);
    this.nextMs = Math.min(this.nextMs * 2, this.maxMs);
    await sleep(delayMs, undefined, signal && { signal }).catch(() => undefined);
  }
}
