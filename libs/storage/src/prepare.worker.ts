// Runs in a worker thread: it opens what a build is about to apply, while that applies what comes before.
import { parentPort, workerData } from 'node:worker_threads';
import type { BuildOptions, Prepare, Prepared } from './build-protocol.js';
import { openProjection } from './opened-projection.js';
import { plainError } from './plain-error.js';

const port = parentPort;
if (!port) throw new Error('prepare.worker runs as a worker thread');
const { projection, reader } = await openProjection(workerData as BuildOptions);
const categories = new Set(projection.categories);

/** Read here again: that costs less than to copy them from the other thread. */
async function prepare({ number, first, last, count }: Prepare): Promise<Prepared> {
  try {
    const { events } = reader.scan({
      after: Number(first) - 1,
      head: Number(last),
      limit: count,
      categories,
    });
    return { number, values: (await projection.prepare?.(events)) ?? [] };
  } catch (error) {
    return { number, error: plainError(error) };
  }
}

port.on('message', async (asked: Prepare) => {
  port.postMessage(await prepare(asked));
});
