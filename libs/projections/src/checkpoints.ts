import { type ColumnType, type Kysely, sql } from 'kysely';
import { type Clock, unavailable } from '#kernel';
import type { ReadDatabase } from './read-database.js';

interface CheckpointTable {
  name: string;
  version: number;
  position: ColumnType<number, bigint, bigint>;
  /** JSON array of the tables that belong to it, so that another version can drop them. */
  tables: string;
  updated_at: string;
}

export type CheckpointSchema = { checkpoints: CheckpointTable };

export interface Checkpoint {
  version: number;
  position: bigint;
  tables: string[];
}

/** Where each projection and follower stands in the log, in the database that they write to. */
export class Checkpoints {
  readonly #database: ReadDatabase;
  readonly #clock: Clock;

  constructor(database: ReadDatabase, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  createTable(): Promise<void> {
    return this.#database.write<CheckpointSchema, void>((transaction) =>
      transaction.schema
        .createTable('checkpoints')
        .ifNotExists()
        .addColumn('name', 'text', (column) => column.primaryKey())
        .addColumn('version', 'integer', (column) => column.notNull())
        .addColumn('position', 'bigint', (column) => column.notNull())
        .addColumn('tables', 'text', (column) => column.notNull())
        .addColumn('updated_at', 'text', (column) => column.notNull())
        .execute(),
    );
  }

  async find(name: string): Promise<Checkpoint | undefined> {
    const reader = this.#database.reader<CheckpointSchema>();
    const row = await reader
      .selectFrom('checkpoints')
      .selectAll()
      .where('name', '=', name)
      .executeTakeFirst();
    return row && { version: row.version, position: BigInt(row.position), tables: JSON.parse(row.tables) };
  }

  /** Puts it at a position, whatever there was. */
  async put(transaction: Kysely<CheckpointSchema>, name: string, checkpoint: Checkpoint): Promise<void> {
    const { version, position } = checkpoint;
    const tables = JSON.stringify(checkpoint.tables);
    const values = { version, position, tables, updated_at: this.#clock.now().toISOString() };
    await transaction
      .insertInto('checkpoints')
      .values({ name, ...values })
      .onConflict((conflict) => conflict.column('name').doUpdateSet(values))
      .execute();
  }

  /** Moves it from one position to the next; `unavailable` if it isn't where the caller thinks. */
  async move(
    transaction: Kysely<CheckpointSchema>,
    name: string,
    range: { from: bigint; to: bigint },
  ): Promise<void> {
    const updatedAt = this.#clock.now().toISOString();
    const { numAffectedRows } = await sql`
      update checkpoints set position = ${range.to}, updated_at = ${updatedAt}
      where name = ${name} and position = ${range.from}`.execute(transaction);
    if (numAffectedRows !== 1n) throw unavailable(`the checkpoint of ${name} was moved by another process`);
  }
}
