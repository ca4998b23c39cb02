/**
 * Holds what was used lately: at most `capacity` entries and at least half as many. Least recently used within
 * two generations: when the young one is full it becomes the old one, and what the old one held is dropped
 * unless it was used meanwhile. It keeps no order of use, so a hit costs one look-up.
 */
export class LruMap<Key, Value> {
  readonly #generationSize: number;
  #young = new Map<Key, Value>();
  #old = new Map<Key, Value>();

  constructor(capacity: number) {
    this.#generationSize = Math.ceil(capacity / 2);
  }

  get(key: Key): Value | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  set(key: Key, value: Value): void {
    if (this.#young.size >= this.#generationSize) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }

  delete(key: Key): void {
    this.#young.delete(key);
    this.#old.delete(key);
  }
}
