// Runs in a worker thread: it owns every SQLite file of the process, so that the event loop never waits on a disk.
import { parentPort, workerData } from 'node:worker_threads';
import { StorageEngine } from './engine.js';
import { plainError } from './plain-error.js';
import type { Numbered, Report, StorageOptions } from './protocol.js';

const port = parentPort;
if (!port) throw new Error('storage.worker runs as a worker thread');
const tell = (report: Report): void => port.postMessage(report);

/** Ends the thread, and so the storage: after a failed write nobody knows what the disk holds. */
const fail = (error: unknown): void => {
  setImmediate(() => {
    throw error;
  });
};

try {
  const options = workerData as StorageOptions;
  // With it comes a query builder, which takes longer to load than all the rest.
  const host = options.read ? (await import('./projections-host.js')).ProjectionsHost : undefined;
  const engine = new StorageEngine(options, tell, fail, host);
  tell({ kind: 'opened', head: engine.head });
  port.on('message', async (requests: Numbered[]) => {
    engine.take(requests);
    if (!requests.some(([, { kind }]) => kind === 'close')) return;
    await engine.closed;
    port.close();
  });
} catch (error) {
  tell({ kind: 'refused', error: plainError(error) });
}
