import type { EventStore } from '#event-store';
import { type Clock, illegalState, notFound } from '#kernel';
import { Checkpoints } from './checkpoints.js';
import { LiveProjection, type ProjectionParts } from './live-projection.js';
import type { Logger } from './logger.js';
import type { AnyProjection, ProjectionStatus, RebuildStatus } from './projection.js';
import type { ReadDatabase } from './read-database.js';
import { Rebuild } from './rebuild.js';
import { type Replicas, singleProcess } from './replicas.js';

export interface ProjectionRunnerOptions {
  store: EventStore;
  database: ReadDatabase;
  clock: Clock;
  logger: Logger;
  /** Where the database is shared with other processes. */
  replicas?: Replicas;
  projections: readonly AnyProjection[];
}

/**
 * Runs the projections of a service. Each event is applied exactly once, in log order; what has been applied and
 * the checkpoint are one transaction. A projection that fails at an event stops there until the next start or a
 * rebuild; the others go on. While the database is unavailable it is tried again.
 */
export class ProjectionRunner {
  readonly #parts: ProjectionParts;
  readonly #live = new Map<string, LiveProjection>();
  readonly #rebuilds = new Map<string, { rebuild: Rebuild; done: Promise<void> }>();

  constructor({ projections, ...parts }: ProjectionRunnerOptions) {
    const checkpoints = new Checkpoints(parts.database, parts.clock);
    this.#parts = { replicas: singleProcess, ...parts, checkpoints };
    for (const projection of projections) {
      if (this.#live.has(projection.name)) throw new Error(`two projections are named ${projection.name}`);
      this.#live.set(projection.name, new LiveProjection(projection, this.#parts));
    }
  }

  /** Makes the tables, anew where a version has changed, and starts to follow the log or who does. */
  async start(): Promise<void> {
    await this.#parts.checkpoints.createTable();
    for (const live of this.#live.values()) await live.start();
  }

  /** Ends rebuilds, finishes batches under way and saves the positions. */
  async stop(): Promise<void> {
    for (const { rebuild } of this.#rebuilds.values()) rebuild.abort(illegalState('the service is stopping'));
    await Promise.all([...this.#rebuilds.values()].map(({ done }) => done));
    await Promise.all([...this.#live.values()].map((live) => live.stop()));
  }

  /**
   * True as soon as the projection has passed the position, so that readers of the database see it. False after
   * the time-out, and at once when the projection has failed or stopped. Throws `not_found`.
   */
  waitFor(name: string, position: bigint, timeoutMs: number): Promise<boolean> {
    return this.#get(name).progress.waitFor(position, timeoutMs);
  }

  /** The same for all; `served` leaves out those of which every read is refused. */
  async waitForAll(position: bigint, timeoutMs: number, { served = false } = {}): Promise<boolean> {
    const awaited = [...this.#live.values()].filter(({ reads }) => reads.served || !served);
    const waits = awaited.map(({ progress }) => progress.waitFor(position, timeoutMs));
    return (await Promise.all(waits)).every(Boolean);
  }

  /**
   * The same for a write that is answered then: where it is false, reads are refused until it would be true. It is at
   * once where they are refused already.
   */
  async settle(name: string, position: bigint, timeoutMs: number): Promise<boolean> {
    const { reads, progress } = this.#get(name);
    if (reads.served && (await progress.waitFor(position, timeoutMs))) return true;
    progress.owe(position);
    return false;
  }

  /** Whether each follows the log, and has come to all that this process has answered. */
  areCurrent(names: readonly string[]): boolean {
    for (const name of names) if (!this.#get(name).reads.current) return false;
    return true;
  }

  /**
   * Throws `unavailable` with code `projection_behind` where the tables of one can't be read: it has failed, is being
   * built, or has not come to what was answered.
   */
  requireReadable(names: readonly string[]): void {
    for (const name of names) {
      const { refusal } = this.#get(name).reads;
      if (refusal) throw refusal;
    }
  }

  /** Rejects when the log can't tell its head. */
  async statuses(): Promise<ProjectionStatus[]> {
    const head = await this.#parts.store.head();
    return [...this.#live.values()].map((live) => live.status(head));
  }

  /**
   * Starts to build the projection anew beside the live one. With `verify`, rows that stood differently are
   * counted; projections stand still meanwhile, reads go on. Throws `not_found`, and `illegal_state` while a rebuild
   * of it is under way, it doesn't run, or another process runs it.
   */
  rebuild(name: string, { verify = false } = {}): RebuildStatus {
    const live = this.#get(name);
    if (this.rebuildStatus(name)?.state === 'running') throw illegalState(`${name} is being rebuilt`);
    if (live.state === 'stopped') throw illegalState(`${name} is stopped`);
    if (!live.leading) throw illegalState(`${name} is run by another process: ask that one`);
    const rebuild = new Rebuild(live, this.#parts, { verify });
    this.#rebuilds.set(name, { rebuild, done: rebuild.run() });
    return rebuild.status;
  }

  /** The last rebuild since the process started. Throws `not_found` when there is no such projection. */
  rebuildStatus(name: string): RebuildStatus | undefined {
    this.#get(name);
    return this.#rebuilds.get(name)?.rebuild.status;
  }

  /** The outcome of the last rebuild, once there is one. */
  async rebuilt(name: string): Promise<RebuildStatus | undefined> {
    await this.#rebuilds.get(name)?.done;
    return this.rebuildStatus(name);
  }

  #get(name: string): LiveProjection {
    const live = this.#live.get(name);
    if (!live) throw notFound('projection');
    return live;
  }
}
