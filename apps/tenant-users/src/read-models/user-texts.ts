import { LRUCache } from 'lru-cache';
import { type Open, openPersonal } from './personal-text.js';
import { rowResource } from './user-resource.js';
import type { ListedUser, UserChange, UserKey, UserRows } from './user-rows.js';

/** Of all that are kept: some ten thousand users. */
const MAX_LENGTH = 16_000_000;

/** Users as lists show them, as JSON. Those that were shown lately are kept, and known by their latest event. */
export class UserTexts {
  readonly #kept = new LRUCache<number, { position: number; json: string }>({
    maxSize: MAX_LENGTH,
    sizeCalculation: ({ json }) => json.length,
  });

  constructor(
    private readonly rows: UserRows,
    private readonly open: Open,
  ) {}

  /** In this order, without those that are gone by now. */
  async of(tenantId: string, keys: readonly UserKey[]): Promise<string[]> {
    const kept = keys.map(({ sequence, position }) => {
      const text = this.#kept.get(sequence);
      return text?.position === position ? text.json : undefined;
    });
    const missing = keys.filter((_, at) => kept[at] === undefined).map(({ sequence }) => sequence);
    const rows = await this.rows.at(tenantId, missing);
    const made = await Promise.all(rows.map(async (row) => [row.sequence, await this.#make(row)] as const));
    const texts = new Map(made);
    return keys.flatMap(({ sequence }, at) => kept[at] ?? texts.get(sequence) ?? []);
  }

  /** Lets go of those that have changed or are gone. */
  follow(changes: readonly UserChange[]): void {
    for (const { sequence } of changes) this.#kept.delete(sequence);
  }

  forget(): void {
    this.#kept.clear();
  }

  async #make(row: ListedUser): Promise<string> {
    const json = JSON.stringify(rowResource(row, await openPersonal(this.open, row)));
    this.#kept.set(row.sequence, { position: row.position, json });
    return json;
  }
}
