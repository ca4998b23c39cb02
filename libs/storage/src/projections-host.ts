import type { Clock, RecordedEvent } from '#kernel';
import type { LogFeed } from '#worker/event-store';
import {
  type AnyProjection,
  compilable,
  type Logger,
  type PlainQuery,
  ProjectionRunner,
  type ProjectionStatus,
  type RebuildStatus,
  SqliteReadFolder,
} from '#worker/projections';
import type { BuildOptions } from './build-protocol.js';
import type { Move } from './protocol.js';
import { RemoteBuild } from './remote-build.js';

/** No longer is an answer held back for a read model that is slow: it then says itself how far it has come. */
const MAX_WAIT_MS = 500;

export interface HostParts {
  folder: string;
  feed: LogFeed;
  clock: Clock;
  logger: Logger;
  /** What threads need that make tables anew; where it is left out, this one does. */
  build?: Omit<BuildOptions, 'projection' | 'live' | 'modules'> | undefined;
}

/** The projections of the process, in the thread that writes the log. */
export class ProjectionsHost {
  readonly #folder: SqliteReadFolder;
  readonly #parts: HostParts;
  #runner: ProjectionRunner | undefined;
  #names: readonly string[] = [];
  #erasing: readonly string[] = [];
  readonly #changed = new Set<string>();
  readonly #replaced = new Set<string>();
  readonly #told = new Map<string, string>();
  readonly #toldRebuilds = new Map<string, string>();

  constructor(parts: HostParts) {
    this.#parts = parts;
    this.#folder = new SqliteReadFolder(parts.folder);
  }

  /** `modules` are the addresses where the projections are from. */
  async start(projections: readonly AnyProjection[], modules: readonly string[]): Promise<void> {
    const { feed, clock, logger, build } = this.#parts;
    this.#names = projections.map(({ name }) => name);
    this.#erasing = projections.filter(({ erases }) => erases).map(({ name }) => name);
    this.#runner = new ProjectionRunner({
      store: feed,
      database: this.#folder,
      clock,
      logger,
      buildApart:
        build && (({ name }, live) => new RemoteBuild({ ...build, modules, projection: name }, live)),
      projections,
      onChange: (name, replaced) => {
        this.#changed.add(name);
        if (replaced) this.#replaced.add(name);
      },
    });
    await this.#runner.start();
  }

  /** Resolves once those that are read have passed these events. */
  async pass(events: readonly RecordedEvent[]): Promise<void> {
    const last = events.at(-1);
    const runner = this.#runner;
    if (!last || !runner) return;
    await runner.waitForAll(last.position, MAX_WAIT_MS, { served: true });
  }

  /** Cuts the journals that may hold what was deleted with a person's key; false while somebody reads. */
  async erase(): Promise<boolean> {
    for (const name of this.#erasing) if (!(await this.#folder.of(name).truncate())) return false;
    return true;
  }

  run(part: string, queries: readonly PlainQuery[]): Promise<void> {
    return this.#folder.of(part).run(queries.map(compilable));
  }

  statuses(): Promise<ProjectionStatus[]> {
    return this.#runner ? this.#runner.statuses() : Promise.resolve([]);
  }

  async rebuild(name: string, verify: boolean): Promise<RebuildStatus> {
    if (!this.#runner) throw new Error('the projections have not been started');
    this.#toldRebuilds.delete(name);
    return this.#runner.rebuild(name, { verify });
  }

  /** Those under way, and those that have ended since the last call. */
  rebuilds(): RebuildStatus[] {
    const known = this.#names.flatMap((name) => this.#runner?.rebuildStatus(name) ?? []);
    return known.filter(({ name, state }) => {
      const before = this.#toldRebuilds.get(name);
      this.#toldRebuilds.set(name, state);
      return state === 'running' || state !== before;
    });
  }

  /** What has moved since the last call. */
  moves(): Move[] {
    const moves = (this.#runner?.positions() ?? []).flatMap(({ name, position, state }): Move[] => {
      const [changed, replaced] = [this.#changed.delete(name), this.#replaced.delete(name)];
      const telling = `${position} ${state}`;
      if (!changed && !replaced && this.#told.get(name) === telling) return [];
      this.#told.set(name, telling);
      return [{ name, position, state, changed, replaced }];
    });
    return moves;
  }

  async close(): Promise<void> {
    await this.#runner?.stop();
    await this.#folder.close();
  }
}
