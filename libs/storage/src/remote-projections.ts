import { illegalState } from '#kernel';
import {
  type FollowedProjection,
  FollowedProjections,
  PositionTracker,
  type ProjectionModule,
  type ProjectionStatus,
  type Projections,
  Readability,
  type RebuildStatus,
} from '#projections';
import { builtUrl } from './built-url.js';
import type { Move } from './protocol.js';
import type { Storage } from './storage.js';

const UNABLE: readonly ProjectionStatus['state'][] = ['failed', 'stopped'];

/** The projections that the storage's thread runs, as this thread sees them. */
export class RemoteProjections extends FollowedProjections<RemoteProjection> implements Projections {
  readonly #rebuilds = new Map<string, RebuildStatus>();

  constructor(
    private readonly storage: Storage,
    private readonly onChange: (projection: string, replaced: boolean) => void,
    private readonly onReplaced: (projection: string) => void,
  ) {
    super();
    storage.onRound(({ moves, rebuilds }) => {
      for (const move of moves) this.#moved(move);
      for (const rebuild of rebuilds) this.#rebuilds.set(rebuild.name, rebuild);
    });
  }

  /** They are known once this resolves. */
  async start(modules: readonly ProjectionModule[]): Promise<void> {
    await this.storage.ask('follow', { modules: modules.map(({ url }) => builtUrl(url)) });
  }

  /** They end with the storage. */
  async stop(): Promise<void> {
    for (const { progress } of this.followed.values()) progress.halt();
  }

  statuses(): Promise<ProjectionStatus[]> {
    return this.storage.ask('statuses', {});
  }

  async rebuild(name: string, { verify = false } = {}): Promise<RebuildStatus> {
    this.get(name);
    if (this.#rebuilds.get(name)?.state === 'running') throw illegalState(`${name} is being rebuilt`);
    const status = await this.storage.ask('rebuild', { name, verify });
    this.#rebuilds.set(name, status);
    return status;
  }

  rebuildStatus(name: string): RebuildStatus | undefined {
    this.get(name);
    return this.#rebuilds.get(name);
  }

  #moved(move: Move): void {
    const { name, changed, replaced } = move;
    const projection = this.followed.get(name) ?? new RemoteProjection(name, BigInt(this.storage.head));
    this.followed.set(name, projection);
    if (replaced) this.onReplaced(name);
    if (changed || replaced) this.onChange(name, replaced);
    projection.moved(move);
  }
}

class RemoteProjection implements FollowedProjection {
  readonly progress = new PositionTracker();
  readonly reads = new Readability(this);
  state: ProjectionStatus['state'] = 'starting';

  constructor(
    readonly name: string,
    head: bigint,
  ) {
    this.reads.begin(head);
  }

  moved({ position, state }: Move): void {
    const { progress, reads } = this;
    const isFurtherBack = position < progress.position;
    this.state = state;
    if (isFurtherBack) reads.forget();
    if (UNABLE.includes(state)) progress.halt();
    else if (progress.halted || isFurtherBack) progress.startAt(position);
    progress.advance(position);
    // While its tables are made elsewhere it tells how far they are, before they are read.
    if (state === 'running') reads.arrive();
  }
}
