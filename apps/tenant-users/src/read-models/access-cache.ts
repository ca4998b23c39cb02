import { LRUCache } from 'lru-cache';
import type { AccessProjection } from './access.projection.js';

const MAX_ENTRIES = 10_000;

/** What was read of one generation of the projection; anything that changes it makes all of this forgotten. */
export class AccessCache<Value extends object> {
  private readonly entries = new LRUCache<string, Value>({ max: MAX_ENTRIES });
  private generation = 0;

  constructor(private readonly projection: AccessProjection) {}

  /** What is not an object is not kept: callers could fill the cache with names that don't exist. */
  async get<Absent>(name: string, read: () => Promise<Value | Absent>): Promise<Value | Absent> {
    const { generation } = this.projection;
    if (generation !== this.generation) {
      this.entries.clear();
      this.generation = generation;
    }
    const known = this.entries.get(name);
    if (known) return known;
    const found = await read();
    // What was read while the projection changed may be out of date already.
    if (typeof found === 'object' && found !== null && generation === this.projection.generation) {
      this.entries.set(name, found as Value);
    }
    return found;
  }
}
