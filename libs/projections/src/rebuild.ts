import { illegalState } from '#kernel';
import type { Build } from './build.js';
import { describeError, errorName } from './describe-error.js';
import type { LiveProjection } from './live-projection.js';
import type { RebuildStatus } from './projection.js';
import type { ProjectionParts } from './projection-parts.js';
import { FileBuild } from './sqlite/file-build.js';
import { TableBuild } from './table-build.js';
import { MAX_EVENTS_PER_TRANSACTION } from './transaction-size.js';

/** So much is done while the live projection stands still. */
const NEAR = 256n;
/** It comes no nearer where the log grows as fast as it is read. */
const MAX_ROUNDS = 16;

/**
 * Builds a projection's tables anew from the beginning of the log, beside the live ones, and puts them in their place.
 *
 * Until it has come near, the live projection goes on. Then the live one is held at its position, the rebuild
 * comes to exactly that position, compares if asked, and swaps: no event is missed or applied twice. A live projection
 * that has failed is passed: the rebuild goes on to the head of the log, and the projection runs again from there. So
 * does one that has waited for its first tables.
 */
export class Rebuild {
  readonly #live: LiveProjection;
  readonly #parts: ProjectionParts;
  readonly #verify: boolean;
  readonly #build: Build;
  #startedAtMs = performance.now();
  #state: RebuildStatus['state'] = 'running';
  #error: unknown;
  #aborted: { reason: unknown } | undefined;
  #start = 0n;
  #position = 0n;
  #head = 0n;
  #eventsDone = 0;
  #seconds: number | undefined;
  #differences: number | undefined;

  constructor(live: LiveProjection, parts: ProjectionParts, options: { verify: boolean }) {
    this.#live = live;
    this.#parts = parts;
    this.#verify = options.verify;
    this.#build = buildOf(live, parts);
  }

  get status(): RebuildStatus {
    const seconds = this.#seconds ?? this.#elapsedSeconds();
    const [passed, all] = [this.#position - this.#start, this.#head - this.#start];
    const share = passed > 0n ? Number(all) / Number(passed) : 1;
    return {
      name: this.#live.name,
      state: this.#state,
      eventsDone: this.#eventsDone,
      eventsTotal: Math.round(this.#eventsDone * Math.max(share, 1)),
      eventsPerSecond: Math.round(this.#eventsDone / seconds),
      ...(this.#differences === undefined ? {} : { differences: this.#differences }),
      ...(this.#error === undefined ? {} : { error: errorName(this.#error) }),
    };
  }

  /** Resolves when the rebuild is over, whatever its outcome; never rejects. */
  async run(): Promise<void> {
    const { logger } = this.#parts;
    const fields = { projection: this.#live.name };
    this.#startedAtMs = performance.now();
    try {
      await this.#run();
      this.#seconds = this.#elapsedSeconds();
      this.#state = 'completed';
      logger.info({ ...fields, ...this.status }, 'projection rebuilt');
    } catch (error) {
      this.#seconds = this.#elapsedSeconds();
      this.#error = error;
      this.#state = 'failed';
      logger.error({ ...fields, ...describeError(error) }, 'projection could not be rebuilt');
    }
  }

  /** Ends it before its time. */
  abort(reason: unknown): void {
    this.#aborted = { reason };
    this.#build.abort(reason);
  }

  async #run(): Promise<void> {
    try {
      await this.#comeNear();
      const release = await this.#live.hold();
      await this.#finish().finally(release);
    } catch (error) {
      // It comes to the event that can't be applied, and tells of it.
      if (this.#live.awaitsBuild && this.#live.leading && !this.#aborted) this.#live.resumeAt(0n);
      throw error;
    } finally {
      await this.#build.close(this.#aborted !== undefined);
    }
  }

  async #comeNear(): Promise<void> {
    const goal = await this.#goal();
    this.#start = await this.#build.begin(goal);
    this.#position = this.#start;
    await this.#advance(goal);
    for (let round = 1; round < MAX_ROUNDS; round += 1) {
      const next = await this.#goal();
      if (next - this.#position <= NEAR) return;
      await this.#advance(next);
    }
  }

  async #finish(): Promise<void> {
    await this.#advance(this.#live.position);
    if (this.#verify) this.#differences = await this.#build.countDifferences();
    const { awaitsBuild, state } = this.#live;
    if (awaitsBuild || state === 'failed') await this.#advance(await this.#parts.store.head());
    this.#requireGoing();
    await this.#build.swap();
    this.#head = this.#position;
    this.#live.resumeAt(this.#position);
  }

  /** Where the live projection is, or is to begin. */
  async #goal(): Promise<bigint> {
    this.#head = await this.#parts.store.head();
    return this.#live.awaitsBuild ? this.#head : this.#live.position;
  }

  async #advance(to: bigint): Promise<void> {
    await this.#build.advance(to, (position, events) => {
      this.#requireGoing();
      this.#position = position;
      this.#eventsDone += events;
      this.#live.built(position, this.#head);
    });
  }

  #requireGoing(): void {
    if (this.#aborted) throw this.#aborted.reason;
    if (!this.#live.leading) throw illegalState('another process may run the projection');
  }

  #elapsedSeconds(): number {
    return (performance.now() - this.#startedAtMs) / 1_000;
  }
}

function buildOf(
  { projection }: LiveProjection,
  { buildApart, store, clock, ...parts }: ProjectionParts,
): Build {
  const database = parts.database.of(projection.name);
  const building = { projection, store: () => store, eventsPerTransaction: MAX_EVENTS_PER_TRANSACTION };
  if (!database.file) return new TableBuild(building, { database, clock });
  return buildApart?.(projection, database.file) ?? new FileBuild(building, { live: database.file, clock });
}
