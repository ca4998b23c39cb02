// Runs in a worker thread: it opens what a build is about to apply, while that applies what comes before.
import { parentPort, workerData } from 'node:worker_threads';
import type { BuildOptions, Prepare, Prepared } from './build-protocol.js';
import { openProjection } from './opened-projection.js';
import { plainError } from './plain-error.js';

const port = parentPort;
if (!port) throw new Error('prepare.worker runs as a worker thread');
const { projection, reader } = await openProjection(workerData as BuildOptions);
const categories = new Set(projection.categories);

/** What is being prepared at once: little of it is still in use when garbage is collected. */
const EVENTS_AT_ONCE = 64;

/** Read here again: that costs less than to copy them from the other thread. */
async function prepare({ number, first, last }: Prepare): Promise<Prepared> {
  const [values, head] = [[] as unknown[], Number(last)];
  try {
    for (let after = Number(first) - 1; after < head; ) {
      const { events, position } = reader.scan({ after, head, limit: EVENTS_AT_ONCE, categories });
      values.push(...((await projection.prepare?.(events)) ?? []));
      after = position;
    }
    return { number, values };
  } catch (error) {
    return { number, error: plainError(error) };
  }
}

port.on('message', async (asked: Prepare) => {
  port.postMessage(await prepare(asked));
});
