import { type TenantryError, unavailable } from '#kernel';
import type { PositionTracker } from './position-tracker.js';
import type { ProjectionStatus } from './projection.js';

interface Followed {
  readonly name: string;
  readonly state: ProjectionStatus['state'];
  readonly progress: PositionTracker;
}

const behind = (detail: string, retryAfterSeconds: number): TenantryError =>
  unavailable(detail, { code: 'projection_behind', retryAfterSeconds });

/** Whether readers find in a projection's tables all that was answered before. */
export class Readability {
  /** Where the log was when the process began to follow it. */
  #head = 0n;
  /** The tables have come to there, once. */
  #built = false;

  constructor(private readonly projection: Followed) {}

  /** False while every read is refused: once it has failed, and until its tables are built. */
  get served(): boolean {
    return this.#built && this.projection.state !== 'failed';
  }

  /** It follows the log, and has come to all that this process has answered. */
  get current(): boolean {
    const { state, progress } = this.projection;
    return (state === 'running' || state === 'standby') && this.#built && !progress.owes;
  }

  /** What a reader is told where the tables can't be read; undefined where they can. */
  get refusal(): TenantryError | undefined {
    const { name, state, progress } = this.projection;
    if (state === 'failed') return behind(`${name} has stopped at an event that it cannot apply`, 30);
    if (!this.#built) {
      const percent = this.#head > 0n ? (progress.position * 100n) / this.#head : 0n;
      return behind(`${name} is being built: ${percent} % of the log is read`, 5);
    }
    return progress.owes ? behind(`${name} has not come to what was answered before`, 1) : undefined;
  }

  begin(head: bigint): void {
    this.#head = head;
  }

  /** The tables are made anew, or have lost what they had. */
  forget(): void {
    this.#built = false;
  }

  /** Whether the projection is where the log was at the beginning. */
  arrive(): boolean {
    const arrived = this.projection.progress.position >= this.#head;
    this.#built ||= arrived;
    return arrived;
  }
}
