import { Worker } from 'node:worker_threads';
import { type Build, buildingFile, type LiveFile, removeFile } from '#worker/projections';
import { BUILD_LIMITS, type BuildOptions, type BuildReport, type BuildStep } from './build-protocol.js';
import { builtUrl } from './built-url.js';
import { thrownError } from './plain-error.js';

const WORKER = new URL('./build.worker.js', builtUrl(import.meta.url));

type Progress = (position: bigint, events: number) => void;

/** A build in a thread of its own; the thread that writes the live file does no more than put the other in its place. */
export class RemoteBuild implements Build {
  readonly #options: Omit<BuildOptions, 'live'>;
  readonly #live: LiveFile;
  #worker: Worker | undefined;
  #asked: PromiseWithResolvers<unknown> | undefined;
  #onProgress: Progress | undefined;
  /** Why nothing can be asked any more. */
  #ended: { reason: unknown } | undefined;

  constructor(options: Omit<BuildOptions, 'live'>, live: LiveFile) {
    this.#options = options;
    this.#live = live;
  }

  async begin(limit: bigint): Promise<bigint> {
    return (await this.#ask({ kind: 'begin', limit })) as bigint;
  }

  async advance(to: bigint, onProgress: Progress): Promise<void> {
    this.#onProgress = onProgress;
    await this.#ask({ kind: 'advance', to });
  }

  async countDifferences(): Promise<number> {
    return (await this.#ask({ kind: 'compare' })) as number;
  }

  async swap(): Promise<void> {
    await this.#ask({ kind: 'close' });
    await this.#live.replace();
  }

  abort(reason: unknown): void {
    this.#ended ??= { reason };
    this.#asked?.reject(reason);
  }

  /** Ended in the middle of a transaction, the file stands where the one before had brought it. */
  async close(kept: boolean): Promise<void> {
    await this.#worker?.terminate();
    if (!kept) removeFile(buildingFile(this.#live.path));
  }

  #ask(step: BuildStep): Promise<unknown> {
    if (this.#ended) return Promise.reject(this.#ended.reason);
    this.#asked = Promise.withResolvers();
    this.#worker ??= this.#started();
    this.#worker.postMessage(step);
    return this.#asked.promise;
  }

  #started(): Worker {
    const workerData: BuildOptions = { ...this.#options, live: this.#live.path };
    const worker = new Worker(WORKER, { workerData, resourceLimits: BUILD_LIMITS, name: 'build' });
    worker.on('message', (report: BuildReport) => {
      if (report.kind === 'progress') this.#tell(report);
      else if (report.kind === 'failed') this.#asked?.reject(thrownError(report.error));
      else this.#asked?.resolve(report.answer);
    });
    worker.on('error', (error) => this.abort(error));
    worker.on('exit', () => this.abort(new Error('the thread has ended')));
    return worker;
  }

  #tell({ position, events }: Extract<BuildReport, { kind: 'progress' }>): void {
    try {
      this.#onProgress?.(position, events);
    } catch (error) {
      this.abort(error);
    }
  }
}
