import { notFound } from '#kernel';
import type { PositionTracker } from './position-tracker.js';
import type { Projections } from './projection.js';
import type { Readability } from './readability.js';

/** How far this thread knows a projection to have come, whichever thread or process runs it. */
export interface FollowedProjection {
  readonly progress: PositionTracker;
  readonly reads: Readability;
}

type Following = Pick<Projections, 'waitFor' | 'waitForAll' | 'settle' | 'areCurrent' | 'requireReadable'>;

/** Those of a service, by their names: who waits for them, and who may read them. */
export abstract class FollowedProjections<Followed extends FollowedProjection> implements Following {
  protected readonly followed = new Map<string, Followed>();

  waitFor(name: string, position: bigint, timeoutMs: number): Promise<boolean> {
    return this.get(name).progress.waitFor(position, timeoutMs);
  }

  async waitForAll(position: bigint, timeoutMs: number, { served = false } = {}): Promise<boolean> {
    const awaited = [...this.followed.values()].filter(({ reads }) => reads.served || !served);
    const waits = awaited.map(({ progress }) => progress.waitFor(position, timeoutMs));
    return (await Promise.all(waits)).every(Boolean);
  }

  async settle(name: string, position: bigint, timeoutMs: number): Promise<boolean> {
    const { reads, progress } = this.get(name);
    if (reads.served && (await progress.waitFor(position, timeoutMs))) return true;
    progress.owe(position);
    return false;
  }

  areCurrent(names: readonly string[]): boolean {
    for (const name of names) if (!this.get(name).reads.current) return false;
    return true;
  }

  requireReadable(name: string): void {
    const { refusal } = this.get(name).reads;
    if (refusal) throw refusal;
  }

  protected get(name: string): Followed {
    const found = this.followed.get(name);
    if (!found) throw notFound('projection');
    return found;
  }
}
