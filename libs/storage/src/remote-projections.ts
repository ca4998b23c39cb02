import { illegalState, notFound } from '#kernel';
import {
  PositionTracker,
  type ProjectionModule,
  type ProjectionStatus,
  type Projections,
  type RebuildStatus,
} from '#projections';
import { builtUrl } from './built-url.js';
import type { Move } from './protocol.js';
import type { Storage } from './storage.js';

const UNABLE: readonly ProjectionStatus['state'][] = ['failed', 'stopped'];

/** The projections that the storage's thread runs, as this thread sees them. */
export class RemoteProjections implements Projections {
  readonly #trackers = new Map<string, PositionTracker>();
  readonly #rebuilds = new Map<string, RebuildStatus>();

  constructor(
    private readonly storage: Storage,
    private readonly onChange: (projection: string, replaced: boolean) => void,
    private readonly onReplaced: (projection: string) => void,
  ) {
    storage.onRound(({ moves, rebuilds }) => {
      for (const move of moves) this.#moved(move);
      for (const rebuild of rebuilds) this.#rebuilds.set(rebuild.name, rebuild);
    });
  }

  async start(modules: readonly ProjectionModule[]): Promise<void> {
    await this.storage.ask('follow', { modules: modules.map(({ url }) => builtUrl(url)) });
  }

  /** They end with the storage. */
  async stop(): Promise<void> {
    for (const tracker of this.#trackers.values()) tracker.halt();
  }

  waitFor(name: string, position: bigint, timeoutMs: number): Promise<boolean> {
    return this.#get(name).waitFor(position, timeoutMs);
  }

  async waitForAll(position: bigint, timeoutMs: number): Promise<boolean> {
    const waits = [...this.#trackers.values()].map((tracker) => tracker.waitFor(position, timeoutMs));
    return (await Promise.all(waits)).every(Boolean);
  }

  statuses(): Promise<ProjectionStatus[]> {
    return this.storage.ask('statuses', {});
  }

  async rebuild(name: string, { verify = false } = {}): Promise<RebuildStatus> {
    this.#get(name);
    if (this.#rebuilds.get(name)?.state === 'running') throw illegalState(`${name} is being rebuilt`);
    const status = await this.storage.ask('rebuild', { name, verify });
    this.#rebuilds.set(name, status);
    return status;
  }

  rebuildStatus(name: string): RebuildStatus | undefined {
    this.#get(name);
    return this.#rebuilds.get(name);
  }

  #moved({ name, position, state, changed, replaced }: Move): void {
    const known = this.#trackers.get(name);
    const tracker = known ?? new PositionTracker();
    this.#trackers.set(name, tracker);
    if (replaced) this.onReplaced(name);
    if (changed || replaced) this.onChange(name, replaced);
    if (UNABLE.includes(state)) tracker.halt();
    else if (tracker.halted) tracker.startAt(position);
    tracker.advance(position);
  }

  #get(name: string): PositionTracker {
    const tracker = this.#trackers.get(name);
    if (!tracker) throw notFound('projection');
    return tracker;
  }
}
