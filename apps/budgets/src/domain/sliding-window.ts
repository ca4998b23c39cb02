/**
 * A window is cut into so many slices, so that a counter stays small however much it allows. A slice of a whole
 * number of seconds is a whole number of milliseconds.
 */
const SLICES = 50;

export interface Consumption {
  allowed: boolean;
  remaining: number;
  /** Milliseconds since the epoch: when all of the limit is free again unless more is consumed. */
  resetAtMs: number;
}

interface Slice {
  startMs: number;
  used: number;
}

/**
 * A sliding window over counts. What was used comes back between one window and one window and a 50th later, so
 * no span of the window's length ever sees more than the limit, and there is no border at which it could double.
 */
export class SlidingWindow {
  private readonly slices: Slice[] = [];
  private readonly sliceMs: number;
  private used = 0;

  constructor(readonly windowMs: number) {
    this.sliceMs = windowMs / SLICES;
  }

  /** All of the cost or nothing. */
  consume(limit: number, cost: number, nowMs: number): Consumption {
    const startMs = Math.floor(nowMs / this.sliceMs) * this.sliceMs;
    this.forgetBefore(startMs, nowMs);
    const allowed = this.used + cost <= limit;
    if (allowed) this.add(startMs, cost);
    const newest = this.slices.at(-1);
    const resetAtMs = newest ? Math.ceil(this.endOf(newest)) : nowMs;
    return { allowed, remaining: Math.max(0, limit - this.used), resetAtMs };
  }

  private forgetBefore(startMs: number, nowMs: number): void {
    const newest = this.slices.at(-1);
    if (newest && newest.startMs > startMs) {
      // The clock went back: what lies in the future counts as used just now, so that it comes back in time.
      this.slices.splice(0, this.slices.length, { startMs, used: this.used });
      return;
    }
    while (this.slices[0] && this.endOf(this.slices[0]) <= nowMs) this.used -= this.slices.shift()?.used ?? 0;
  }

  private add(startMs: number, cost: number): void {
    this.used += cost;
    const newest = this.slices.at(-1);
    if (newest?.startMs === startMs) newest.used += cost;
    else this.slices.push({ startMs, used: cost });
  }

  /** The last instant that the slice may hold, one window later. */
  private endOf({ startMs }: Slice): number {
    return startMs + this.sliceMs + this.windowMs;
  }
}
