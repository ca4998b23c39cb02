// Preloaded into a server that is measured: when its parent asks, it tells how late the event loop was since it was
// last asked, over the channel between the two processes, so that the server's own code needs nothing.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

const INTERVAL_MS = 10;

// Worker threads are preloaded too.
if (isMainThread && process.send) {
  const ticks = monitorEventLoopDelay({ resolution: INTERVAL_MS });
  ticks.enable();
  // The histogram holds the nanoseconds from tick to tick of a timer, the timer's own interval included.
  const delayMs = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - INTERVAL_MS);
  process.on('message', () => {
    process.send({ p99_ms: delayMs(ticks.percentile(99)), max_ms: delayMs(ticks.max) });
    ticks.reset();
  });
  process.channel.unref();
}
