import { NoAnswer } from './failures.js';

const TICKS = 8;

/**
 * Calls back once the time has passed, unless the answered function is called before. It counts ticks rather than
 * time: while the process itself is too busy to look, answers lie unread, and nobody is to be blamed for that.
 */
export function afterWaiting(timeoutMs: number, onTimeout: () => void): () => void {
  let ticks = 0;
  const timer = setInterval(() => {
    ticks += 1;
    if (ticks < TICKS) return;
    clearInterval(timer);
    onTimeout();
  }, timeoutMs / TICKS);
  return () => clearInterval(timer);
}

/** Rejects with NoAnswer when the promise takes longer; what it comes to later is nobody's concern. */
export async function inTime<Result>(promise: Promise<Result>, timeoutMs: number): Promise<Result> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const stop = afterWaiting(timeoutMs, () => reject(new NoAnswer('no answer came in time')));
  promise.catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    stop();
  }
}
