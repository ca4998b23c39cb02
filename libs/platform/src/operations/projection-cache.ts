import { LRUCache } from 'lru-cache';

/** A projection that counts its changes, so that what was read before can be told from what would be read now. */
export interface CountsChanges {
  readonly generation: number;
}

/** What was read of some projections; any change of one of them makes all of it forgotten. */
export class ProjectionCache<Value extends object> {
  private readonly entries: LRUCache<string, { value: Value; generation: number }>;

  constructor(
    private readonly projections: readonly CountsChanges[],
    maxEntries = 10_000,
  ) {
    this.entries = new LRUCache({ max: maxEntries });
  }

  /** What is not an object is not kept: callers could fill the cache with names that don't exist. */
  async get<Absent>(name: string, read: () => Promise<Value | Absent>): Promise<Value | Absent> {
    const generation = this.changes();
    const known = this.entries.get(name);
    if (known?.generation === generation) return known.value;
    const found = await read();
    // What was read while a projection changed may be out of date already.
    if (typeof found === 'object' && found !== null && generation === this.changes()) {
      this.entries.set(name, { value: found as Value, generation });
    }
    return found;
  }

  private changes(): number {
    let sum = 0;
    for (const { generation } of this.projections) sum += generation;
    return sum;
  }
}
