import type { Kysely } from 'kysely';
import { Builder, type BuildParts } from './build.js';
import { type CheckpointSchema, Checkpoints } from './checkpoints.js';
import { type AnySchema, allTables } from './projection.js';
import type { ProjectionParts } from './projection-parts.js';
import { createTables, dropLeftovers, swapTables } from './projection-tables.js';
import { countDifferences } from './table-comparison.js';
import { RenameTablesPlugin, rebuildName } from './table-names.js';

/** Tables under other names beside the live ones, which are renamed at the end. What is cut short begins anew. */
export class TableBuild extends Builder {
  readonly #database: ProjectionParts['database'];
  readonly #checkpoints: Checkpoints;
  readonly #plugin: RenameTablesPlugin;
  readonly #tables: string[];

  constructor(parts: BuildParts, { database, clock }: Pick<ProjectionParts, 'database' | 'clock'>) {
    super(parts);
    this.#database = database;
    this.#checkpoints = new Checkpoints(database, clock);
    this.#tables = allTables(parts.projection);
    this.#plugin = new RenameTablesPlugin({ tables: this.#tables, rename: rebuildName });
  }

  async begin(): Promise<bigint> {
    await this.#database.write<AnySchema, void>(async (transaction) => {
      await dropLeftovers(transaction, this.#tables);
      await createTables(transaction, this.projection, rebuildName);
    });
    return 0n;
  }

  countDifferences(): Promise<number> {
    const { tables } = this.projection;
    return this.#database.write<AnySchema, number>((transaction) =>
      countDifferences(transaction, {
        tables,
        live: (table) => table,
        built: rebuildName,
        dialect: 'postgres',
      }),
    );
  }

  swap(): Promise<void> {
    const { name, version } = this.projection;
    const [position, tables] = [this.position, this.#tables];
    return this.#database.write<AnySchema & CheckpointSchema, void>(async (transaction) => {
      await this.#checkpoints.refuseBeyond(transaction, name, position);
      await swapTables(transaction, tables);
      await this.#checkpoints.put(transaction, name, { version, position, tables });
    });
  }

  /** What was not swapped is dropped at the next start or rebuild. */
  async close(): Promise<void> {}

  protected write(_: bigint, work: (transaction: Kysely<AnySchema>) => Promise<void>): Promise<void> {
    return this.#database.write<AnySchema, void>((transaction) => work(transaction.withPlugin(this.#plugin)));
  }
}
