import { Inject, Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { Clock } from '#kernel';
import { CLOCK } from '#platform';
import type { RateLimit } from '../domain/rate-limits.js';
import { type Consumption, SlidingWindow } from '../domain/sliding-window.js';

const MAX_USERS = 100_000;

/**
 * How much of each rate limit is used up. The counters live in this process: they are exact under any
 * concurrency here, cost no event, and start at zero after a restart. Beyond 100,000 users at once those who
 * have consumed nothing for longest start afresh too.
 */
@Injectable()
export class RateCounters {
  private readonly users = new LRUCache<string, Map<string, SlidingWindow>>({ max: MAX_USERS });

  constructor(@Inject(CLOCK) private readonly clock: Clock) {}

  /** All of the cost or nothing. A limit that changes keeps its count; a window that changes starts afresh. */
  async consume(userId: string, name: string, rate: RateLimit, cost: number): Promise<Consumption> {
    const windows = this.users.get(userId) ?? new Map<string, SlidingWindow>();
    this.users.set(userId, windows);
    const windowMs = rate.window_seconds * 1_000;
    const known = windows.get(name);
    const window = known?.windowMs === windowMs ? known : new SlidingWindow(windowMs);
    windows.set(name, window);
    return window.consume(rate.limit, cost, this.clock.now().getTime());
  }

  forget(userId: string): void {
    this.users.delete(userId);
  }
}
