import { mkdirSync } from 'node:fs';
import type { Compilable, CompiledQuery, Kysely } from 'kysely';
import type { ReadDatabase } from '../read-database.js';
import { partFile, removeReplaced } from './part-files.js';
import { SqliteReadDatabase } from './sqlite-read-database.js';

/** The part for what is no projection's: where followers of the log stand, and other tables beside the projections. */
export const COMMON_PART = 'common';

/** Read models in a folder with one SQLite file a part, opened on this thread. */
export class SqliteReadFolder implements ReadDatabase {
  readonly dialect = 'sqlite';
  readonly #parts = new Map<string, SqliteReadDatabase>();

  /** Makes the folder where it is missing. */
  constructor(private readonly folder: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  of(name: string): SqliteReadDatabase {
    const known = this.#parts.get(name);
    if (known) return known;
    removeReplaced(this.folder, name);
    const part = SqliteReadDatabase.open(partFile(this.folder, name));
    this.#parts.set(name, part);
    return part;
  }

  reader<Schema>(): Kysely<Schema> {
    return this.#common.reader();
  }

  write<Schema, Result>(work: (transaction: Kysely<Schema>) => Promise<Result>): Promise<Result> {
    return this.#common.write(work);
  }

  run(queries: readonly Compilable[]): Promise<void> {
    return this.#common.run(queries);
  }

  select<Row>(query: CompiledQuery): Promise<Row[]> {
    return this.#common.select(query);
  }

  async ready(): Promise<void> {
    for (const part of this.#parts.values()) await part.ready();
  }

  async close(): Promise<void> {
    for (const part of this.#parts.values()) await part.close();
  }

  get #common(): SqliteReadDatabase {
    return this.of(COMMON_PART);
  }
}
