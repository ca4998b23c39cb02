import type { EventStore } from '#event-store';
import { type Clock, illegalState } from '#kernel';
import { FollowedProjections } from './followed-projections.js';
import { LiveProjection } from './live-projection.js';
import type { Logger } from './logger.js';
import type { AnyProjection, ProjectionStatus, Projections, RebuildStatus } from './projection.js';
import type { ProjectionParts } from './projection-parts.js';
import type { ReadDatabase } from './read-database.js';
import { Rebuild } from './rebuild.js';
import { type Replicas, singleProcess } from './replicas.js';
import { noteBuild, notedBuild } from './sqlite/part-files.js';

export interface ProjectionRunnerOptions {
  store: Pick<EventStore, 'head' | 'subscribe'>;
  database: ReadDatabase;
  clock: Clock;
  logger: Logger;
  /** Where the database is shared with other processes. */
  replicas?: Replicas;
  buildApart?: ProjectionParts['buildApart'];
  projections: readonly AnyProjection[];
  onChange?: ((projection: string, replaced: boolean) => void) | undefined;
}

/**
 * Runs the projections of a service. Each event is applied exactly once, in log order; what has been applied and
 * the checkpoint are one transaction. A projection that fails at an event stops there until the next start or a
 * rebuild; the others go on. While the database is unavailable it is tried again.
 */
export class ProjectionRunner extends FollowedProjections<LiveProjection> implements Projections {
  readonly #parts: ProjectionParts;
  readonly #rebuilds = new Map<string, { rebuild: Rebuild; done: Promise<void> }>();

  constructor({ projections, ...parts }: ProjectionRunnerOptions) {
    super();
    this.#parts = { replicas: singleProcess, ...parts };
    for (const projection of projections) {
      if (this.followed.has(projection.name)) throw new Error(`two projections are named ${projection.name}`);
      this.followed.set(projection.name, new LiveProjection(projection, this.#parts));
    }
  }

  /** Makes the tables, anew where a version has changed, and starts to follow the log or who does. */
  async start(): Promise<void> {
    for (const live of this.followed.values()) await live.start();
    this.#buildFirst();
  }

  /** Ends rebuilds, finishes batches under way and saves the positions. */
  async stop(): Promise<void> {
    for (const { rebuild } of this.#rebuilds.values()) rebuild.abort(illegalState('the service is stopping'));
    await Promise.all([...this.#rebuilds.values()].map(({ done }) => done));
    await Promise.all([...this.followed.values()].map((live) => live.stop()));
  }

  /** How far each has come, and which of them do their work. */
  positions(): { name: string; position: bigint; state: ProjectionStatus['state'] }[] {
    return [...this.followed.values()].map(({ name, position, state }) => ({ name, position, state }));
  }

  /** Rejects when the log can't tell its head. */
  async statuses(): Promise<ProjectionStatus[]> {
    const head = await this.#parts.store.head();
    return [...this.followed.values()].map((live) => live.status(head));
  }

  rebuild(name: string, { verify = false } = {}): RebuildStatus {
    const live = this.get(name);
    if (this.rebuildStatus(name)?.state === 'running') throw illegalState(`${name} is being rebuilt`);
    if (live.state === 'stopped') throw illegalState(`${name} is stopped`);
    if (!live.leading) throw illegalState(`${name} is run by another process: ask that one`);
    const { file } = this.#parts.database.of(name);
    if (file) noteBuild(file.path, { verify });
    return this.#begin(live, { verify }).rebuild.status;
  }

  rebuildStatus(name: string): RebuildStatus | undefined {
    this.get(name);
    return this.#rebuilds.get(name)?.rebuild.status;
  }

  /** The outcome of the last rebuild, once there is one. */
  async rebuilt(name: string): Promise<RebuildStatus | undefined> {
    await this.#rebuilds.get(name)?.done;
    return this.rebuildStatus(name);
  }

  #begin(live: LiveProjection, { verify = false, after = Promise.resolve() } = {}) {
    const rebuild = new Rebuild(live, this.#parts, { verify });
    const begun = { rebuild, done: after.then(() => rebuild.run()) };
    this.#rebuilds.set(live.name, begun);
    return begun;
  }

  /** One after the other: those whose tables are to be made first, and those that were cut short. */
  #buildFirst(): void {
    let after = Promise.resolve();
    for (const live of this.followed.values()) {
      const { file } = this.#parts.database.of(live.name);
      const noted = live.leading && file ? notedBuild(file.path) : undefined;
      if (live.awaitsBuild || noted) after = this.#begin(live, { ...noted, after }).done;
    }
  }
}
