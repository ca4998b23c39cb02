import { Inject, Injectable } from '@nestjs/common';
import type { EventStore } from '#event-store';
import { type Clock, notFound, type RecordedEvent } from '#kernel';
import type { MessageBus } from '#message-bus';
import {
  type AnyProjection,
  type FollowerStatus,
  LogFollower,
  type Projection,
  ProjectionRunner,
  type ProjectionStatus,
  type PublicMessage,
  type ReadDatabase,
  type RebuildStatus,
  Relay,
  type Replicas,
  singleProcess,
} from '#projections';
import { CLOCK, EVENT_STORE, MESSAGE_BUS, READ_DATABASE, REPLICAS } from '../tokens.js';
import { guarded } from './guarded-database.js';
import { AppLogger } from './logger.js';

/** A policy: what is done, at least once and in log order, about the events of some categories. */
export interface FollowedLog {
  readonly name: string;
  readonly categories: readonly string[];
  handle(events: readonly RecordedEvent[]): Promise<void>;
}

export interface RelayedLog {
  readonly name: string;
  readonly categories: readonly string[];
  toMessage(event: RecordedEvent): PublicMessage | undefined;
}

/** A projection or follower as the health report shows it; positions as decimal strings. */
export type LogReaderState = {
  name: string;
  position: string;
  lag: number;
} & Pick<ProjectionStatus | FollowerStatus, 'state'> & {
    failure?: { position: string; event_type: string; error: string };
  };

/** Everything in this process that follows the log. Modules register theirs; `start` sets them going. */
@Injectable()
export class ReadModels {
  private readonly projections: AnyProjection[] = [];
  private readonly followers: LogFollower[] = [];
  private runner: ProjectionRunner | undefined;

  constructor(
    @Inject(EVENT_STORE) private readonly store: EventStore,
    @Inject(READ_DATABASE) private readonly database: ReadDatabase,
    @Inject(MESSAGE_BUS) private readonly bus: MessageBus,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(REPLICAS) private readonly replicas: Replicas,
    private readonly logger: AppLogger,
  ) {}

  project<Schema>(projection: Projection<Schema>): void {
    this.projections.push(projection as unknown as AnyProjection);
  }

  follow(policy: FollowedLog): void {
    const { name, categories } = policy;
    const handle = (events: readonly RecordedEvent[]) => policy.handle(events);
    this.followers.push(new LogFollower({ ...this.parts(), name, categories, handle }));
  }

  relay(relayed: RelayedLog): void {
    this.followers.push(new Relay({ ...this.parts(), ...relayed, publisher: this.bus }));
  }

  /** Resolves when all read models have caught up with the log as it is now, or after the time-out. */
  async start(catchUpTimeoutMs: number): Promise<void> {
    this.runner = new ProjectionRunner({ ...this.parts(), projections: this.projections });
    await this.runner.start();
    for (const follower of this.followers) await follower.start();
    await this.catchUp(catchUpTimeoutMs);
  }

  async stop(): Promise<void> {
    await Promise.all(this.followers.map((follower) => follower.stop()));
    await this.runner?.stop();
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
    return this.running().areCurrent(projections);
  }

  /**
   * Throws `unavailable` with code `projection_behind` while what is read of these projections would be false: one
   * has failed, is being built, or is behind what was answered.
   */
  require(...projections: string[]): void {
    this.running().requireReadable(projections);
  }

  /** The database for those who read the tables of these projections: it requires them before each read. */
  databaseOf(...projections: string[]): ReadDatabase {
    return guarded(this.database, () => this.require(...projections));
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
    return this.projections.some(({ name }) => name === projection);
  }

  rebuild(projection: string, verify: boolean): RebuildStatus {
    return this.running().rebuild(projection, { verify });
  }

  /** Throws `not_found` when it was not rebuilt since the process started. */
  rebuildStatus(projection: string): RebuildStatus {
    const status = this.running().rebuildStatus(projection);
    if (!status) throw notFound('rebuild');
    return status;
  }

  private running(): ProjectionRunner {
    if (!this.runner) throw new Error('the read models have not been started');
    return this.runner;
  }

  private parts() {
    const { store, database, replicas, clock, logger } = this;
    return { store, database, replicas, clock, logger };
  }
}
