import { existsSync } from 'node:fs';
import type { Kysely } from 'kysely';
import type { Clock } from '#kernel';
import { Builder, type BuildParts } from '../build.js';
import { type CheckpointSchema, Checkpoints } from '../checkpoints.js';
import type { AnySchema } from '../projection.js';
import { makeTables } from '../projection-tables.js';
import type { LiveFile } from '../read-database.js';
import { buildingFile, removeFile } from './part-files.js';
import { SqliteReadDatabase } from './sqlite-read-database.js';

/** A file beside the live one, with its own checkpoint: what is cut short goes on from there. */
export class FileBuild extends Builder {
  readonly #live: LiveFile;
  readonly #clock: Clock;
  #opened: { database: SqliteReadDatabase; checkpoints: Checkpoints } | undefined;

  constructor(parts: BuildParts, { live, clock }: { live: LiveFile; clock: Clock }) {
    super(parts);
    this.#live = live;
    this.#clock = clock;
  }

  async begin(limit: bigint): Promise<bigint> {
    const found = existsSync(this.#file) ? await this.#found() : undefined;
    if (found?.version === this.projection.version && found.position <= limit) {
      this.position = found.position;
      return found.position;
    }
    await this.close(false);
    const { database, checkpoints } = this.#open();
    await checkpoints.createTable();
    await makeTables(database, checkpoints, this.projection);
    return 0n;
  }

  override async advance(...asked: Parameters<Builder['advance']>): Promise<void> {
    await super.advance(...asked);
    // So that little is left to be written when it is closed, for which the live projection stands still.
    await this.#open().database.checkpoint();
  }

  countDifferences(): Promise<number> {
    return this.#open().database.compareWith(this.#live.path, this.projection.tables);
  }

  async swap(): Promise<void> {
    await this.close(true);
    await this.#live.replace();
  }

  async close(kept: boolean): Promise<void> {
    // The last connection that closes writes all of the journal to the file, and waits for the disk.
    await this.#opened?.database.close();
    this.#opened = undefined;
    if (!kept) removeFile(this.#file);
  }

  protected write(position: bigint, work: (transaction: Kysely<AnySchema>) => Promise<void>): Promise<void> {
    const { database, checkpoints } = this.#open();
    const range = { from: this.position, to: position, changes: true };
    return database.write<AnySchema & CheckpointSchema, void>(async (transaction) => {
      await checkpoints.move(transaction, this.projection.name, range);
      await work(transaction as unknown as Kysely<AnySchema>);
    });
  }

  get #file(): string {
    return buildingFile(this.#live.path);
  }

  /** Where an earlier one stood; undefined where its file tells nothing. */
  async #found() {
    try {
      const { checkpoints } = this.#open();
      await checkpoints.createTable();
      return await checkpoints.find(this.projection.name);
    } catch {
      return undefined;
    }
  }

  #open() {
    if (this.#opened) return this.#opened;
    const database = SqliteReadDatabase.open(this.#file);
    this.#opened = { database, checkpoints: new Checkpoints(database, this.#clock) };
    return this.#opened;
  }
}
