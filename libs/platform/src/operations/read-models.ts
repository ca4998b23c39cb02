import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import type { EventStore } from '#event-store';
import { type Clock, notFound, type RecordedEvent, unavailable } from '#kernel';
import {
  type FollowerStatus,
  LogFollower,
  type ProjectionModule,
  type ProjectionStatus,
  type Projections,
  type QueryRunner,
  type ReadDatabase,
  type RebuildStatus,
  type Replicas,
  singleProcess,
} from '#projections';
import { CLOCK, EVENT_STORE, READ_DATABASE, REPLICAS } from '../tokens.js';
import { guarded } from './guarded-database.js';
import { AppLogger } from './logger.js';
import { ProjectionRuns } from './projection-runs.js';

const POLL_MS = 100;

/** A policy: what is done, at least once and in log order, about the events of some categories. */
export interface FollowedLog {
  readonly name: string;
  readonly categories: readonly string[];
  handle(events: readonly RecordedEvent[]): Promise<void>;
  /** Called when all that the log held at the start has been handled, by whichever process; until it succeeds. */
  caughtUp?(): Promise<void>;
}

/** A projection or follower as the health report shows it; positions as decimal strings. */
export type LogReaderState = {
  name: string;
  position: string;
  lag: number;
} & Pick<ProjectionStatus | FollowerStatus, 'state'> & {
    failure?: { position: string; event_type: string; error: string };
  };

/** How often what readers see of a projection has changed, so that what was read before can be told from what would be read now. */
export interface Changes {
  generation: number;
  /** How often its tables were replaced by others. */
  replacements: number;
}

/** Everything in this process that follows the log. Modules register theirs; `start` sets them going. */
@Injectable()
export class ReadModels {
  private readonly modules: ProjectionModule[] = [];
  private readonly followers: LogFollower[] = [];
  private readonly listeners = new Map<string, readonly (() => void)[]>();
  private readonly counted = new Map<string, Changes>();
  private readonly waiting: ((head: bigint) => Promise<void>)[] = [];
  private readonly stopping = new AbortController();
  private projections: Projections | undefined;
  private queries: QueryRunner | undefined;
  private names: readonly string[] = [];

  constructor(
    @Inject(EVENT_STORE) private readonly store: EventStore,
    @Inject(READ_DATABASE) private readonly database: ReadDatabase,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(REPLICAS) private readonly replicas: Replicas,
    private readonly runs: ProjectionRuns,
    private readonly logger: AppLogger,
  ) {}

  /** The projections of an app, and what is published of its part of the log. */
  add(module: ProjectionModule): void {
    this.modules.push(module);
  }

  follow(policy: FollowedLog): void {
    const { name, categories } = policy;
    const handle = (events: readonly RecordedEvent[]) => policy.handle(events);
    const follower = new LogFollower({ ...this.parts(), name, categories, handle });
    this.followers.push(follower);
    if (policy.caughtUp) this.waiting.push((head) => this.tellCaughtUp(policy, follower, head));
  }

  /** Called when a projection's tables were replaced by others, and at the start. */
  onReplaced(projection: string, listener: () => void): void {
    this.listeners.set(projection, [...(this.listeners.get(projection) ?? []), listener]);
  }

  /** What the query of that name answers, in the thread that reads. Tenants take turns there. */
  async ask<Answer>(tenantId: string, query: string, ...asked: unknown[]): Promise<Answer> {
    if (!this.queries) throw unavailable('the read models have not been started');
    return (await this.queries.ask(tenantId, query, asked)) as Answer;
  }

  /** Of one projection; it counts on. */
  changesOf(projection: string): Readonly<Changes> {
    const known = this.counted.get(projection) ?? { generation: 0, replacements: 0 };
    this.counted.set(projection, known);
    return known;
  }

  /** Resolves when all read models have caught up with the log as it is now, or after the time-out. */
  async start(catchUpTimeoutMs: number): Promise<void> {
    this.queries = await this.runs.queries(this.modules, this.parts());
    const { projections, relays } = await this.runs.start(this.modules, this.parts(), (name, replaced) =>
      this.changed(name, replaced),
    );
    this.projections = projections;
    this.followers.push(...relays);
    this.names = (await this.projections.statuses()).map(({ name }) => name);
    for (const follower of this.followers) await follower.start();
    const head = await this.store.head();
    const told = Promise.all(this.waiting.map((wait) => wait(head)));
    const timeout = AbortSignal.any([this.stopping.signal, AbortSignal.timeout(catchUpTimeoutMs)]);
    await Promise.race([told, once(timeout, 'abort')]);
    await this.catchUp(catchUpTimeoutMs);
  }

  private changed(name: string, replaced: boolean): void {
    const changes = this.changesOf(name) as Changes;
    changes.generation += 1;
    if (!replaced) return;
    changes.replacements += 1;
    this.queries?.replaced(name);
    for (const listener of this.listeners.get(name) ?? []) listener();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.followers.map((follower) => follower.stop()));
    await this.projections?.stop();
    await this.queries?.close();
    await this.replicas.close();
  }

  /** True as soon as readers of the projection see everything up to the position; false after the time-out. */
  waitFor(projection: string, position: bigint, timeoutMs: number): Promise<boolean> {
    return this.running().waitFor(projection, position, timeoutMs);
  }

  /** The same for a write that is answered then: where it is false, reads are refused until it would be true. */
  settle(projection: string, position: bigint, timeoutMs: number): Promise<boolean> {
    return this.running().settle(projection, position, timeoutMs);
  }

  /** The same for all that are read; reads of the others are refused whatever they wait for. */
  waitForServed(position: bigint, timeoutMs: number): Promise<boolean> {
    return this.running().waitForAll(position, timeoutMs, { served: true });
  }

  /**
   * Whether what is read of the projections now takes in all that this process has answered. What grants rights is
   * asked of the log where it does not.
   */
  areCurrent(projections: readonly string[]): boolean {
    return this.projections?.areCurrent(projections) ?? false;
  }

  /**
   * Throws `unavailable` with code `projection_behind` while what is read of the projection would be false: it has
   * failed, is being built, or is behind what was answered.
   */
  require(projection: string): void {
    this.running().requireReadable(projection);
  }

  /** The projection's part of the database for those who read its tables: it is required before each read. */
  databaseOf(projection: string): ReadDatabase {
    return guarded(this.database.of(projection), () => this.require(projection));
  }

  /** Waits until every read model has caught up with what the log holds now; false after the time-out. */
  async catchUp(timeoutMs: number): Promise<boolean> {
    return this.running().waitForAll(await this.store.head(), timeoutMs);
  }

  /** Whether other processes may read what this one can't. */
  get isShared(): boolean {
    return this.replicas !== singleProcess;
  }

  async statuses(): Promise<LogReaderState[]> {
    const projections = await this.running().statuses();
    const followers = await Promise.all(this.followers.map((follower) => follower.status()));
    return [...projections, ...followers].map((status) => {
      const { name, position, lag, state } = status;
      const failure = 'failure' in status ? status.failure : undefined;
      return {
        name,
        position: position.toString(),
        lag: Number(lag),
        state,
        ...(failure && {
          failure: {
            position: failure.position.toString(),
            event_type: failure.eventType,
            error: failure.error,
          },
        }),
      };
    });
  }

  has(projection: string): boolean {
    return this.names.includes(projection);
  }

  async rebuild(projection: string, verify: boolean): Promise<RebuildStatus> {
    return this.running().rebuild(projection, { verify });
  }

  /**
   * Throws `unavailable` while the projection is made anew: what is gone from the tables that are read may still be in
   * those that are made.
   */
  requireNoRebuild(projection: string): void {
    if (this.running().rebuildStatus(projection)?.state === 'running')
      throw unavailable(`${projection} is being rebuilt`);
  }

  /** Throws `not_found` when it was not rebuilt since the process started. */
  rebuildStatus(projection: string): RebuildStatus {
    const status = this.running().rebuildStatus(projection);
    if (!status) throw notFound('rebuild');
    return status;
  }

  private async tellCaughtUp(policy: FollowedLog, follower: LogFollower, head: bigint): Promise<void> {
    while (!this.stopping.signal.aborted) {
      try {
        if (await follower.waitFor(head, POLL_MS)) return await policy.caughtUp?.();
      } catch (error) {
        this.logger.failure(error, { policy: policy.name });
      }
      await delay(POLL_MS, undefined, { signal: this.stopping.signal, ref: false }).catch(() => undefined);
    }
  }

  private running(): Projections {
    if (this.projections) return this.projections;
    throw unavailable('the read models have not been started', {
      code: 'projection_behind',
      retryAfterSeconds: 1,
    });
  }

  private parts() {
    const { store, database, replicas, clock, logger } = this;
    return { store, database, replicas, clock, logger };
  }
}
