// Creates at a steady rate beside what is measured, and reads of some connections.
import { setTimeout as delay } from 'node:timers/promises';
import { percentiles } from '../figures.mjs';
import { timed } from '../http.mjs';
import { newUser } from '../people.mjs';
import { beginUsage } from '../usage.mjs';

let made = 0;

/** Creates `perSecond` users while the work is done; answers its outcome and how long the creates took. */
export async function besideCreates(client, perSecond, work) {
  const ending = new AbortController();
  const creating = createSteadily(client, perSecond, ending.signal);
  try {
    const outcome = await work();
    return { outcome, tookMs: await ended() };
  } catch (error) {
    await ended().catch(() => {});
    throw error;
  }

  async function ended() {
    ending.abort();
    return creating;
  }
}

async function createSteadily(client, perSecond, signal) {
  const pending = [];
  const began = performance.now();
  while (!signal.aborted && perSecond > 0) {
    pending.push(timed(() => client.post('/v1/users', newUser(`beside-${made++}`))));
    // By the clock, so that a service that is slow is not asked less often.
    const due = began + (pending.length * 1_000) / perSecond;
    await delay(Math.max(0, due - performance.now()));
  }
  return Promise.all(pending);
}

/** Reads of so many connections at once, for so many seconds. */
export async function readFor(seconds, connections, read) {
  const tookMs = [];
  const until = performance.now() + seconds * 1_000;
  const lane = async () => {
    while (performance.now() < until) tookMs.push(await timed(read));
  };
  await Promise.all(Array.from({ length: connections }, lane));
  return { reads: tookMs.length, ...percentiles(tookMs) };
}

/** Reads beside creates, with what the service used meanwhile. */
export async function measureReads({ service, client }, { seconds, readers, creates }, read) {
  const endUsage = await beginUsage(service);
  const { outcome } = await besideCreates(client, creates, () => readFor(seconds, readers, read));
  const { event_loop_p99_ms, resident_mib } = await endUsage();
  return { ...outcome, event_loop_p99_ms, resident_mib };
}
