import { Worker } from 'node:worker_threads';
import type { RecordedEvent } from '#kernel';
import { BUILD_LIMITS, type BuildOptions, type Prepare, type Prepared } from './build-protocol.js';
import { thrownError } from './plain-error.js';

/** Of each page, so that both threads have about as much to do: to apply an event takes less than to prepare it. */
const SHARE_PREPARED_THERE = 7 / 8;

type PrepareHere = (events: readonly RecordedEvent[]) => Promise<unknown[]>;

/** A thread that prepares most of the events of the log, and ends with the one that made it; this one does the rest. */
export class Preparer {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown[]>>();
  #lastNumber = 0;

  constructor(
    workerData: BuildOptions,
    private readonly here: PrepareHere,
  ) {
    this.#worker = new Worker(new URL('./prepare.worker.js', import.meta.url), {
      workerData,
      resourceLimits: BUILD_LIMITS,
      name: 'prepare',
    });
    this.#worker.on('message', ({ number, values, error }: Prepared) => {
      const waiting = this.#waiting.get(number);
      this.#waiting.delete(number);
      if (error) waiting?.reject(thrownError(error));
      else waiting?.resolve(values ?? []);
    });
  }

  async prepare(events: readonly RecordedEvent[]): Promise<unknown[]> {
    const split = Math.ceil(events.length * SHARE_PREPARED_THERE);
    const shares = [this.#there(events.slice(0, split)), this.here(events.slice(split))];
    return (await Promise.all(shares)).flat(1);
  }

  #there(events: readonly RecordedEvent[]): Promise<unknown[]> {
    const [first, last] = [events[0]?.position, events.at(-1)?.position];
    if (first === undefined || last === undefined) return Promise.resolve([]);
    const number = ++this.#lastNumber;
    const prepared = Promise.withResolvers<unknown[]>();
    this.#waiting.set(number, prepared);
    this.#worker.postMessage({ number, first, last } satisfies Prepare);
    return prepared.promise;
  }
}
