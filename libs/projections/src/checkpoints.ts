import { type ColumnType, type Kysely, sql } from 'kysely';
import { type Clock, unavailable } from '#kernel';
import { type Migration, migrate } from './migrations.js';
import type { ReadDatabase } from './read-database.js';

interface CheckpointTable {
  name: string;
  version: number;
  position: ColumnType<number, bigint, bigint>;
  /** JSON array of the tables that belong to it, so that another version can drop them. */
  tables: string;
  updated_at: string;
  /** Counts how often the tables were replaced. */
  generation: number;
  /** Of the last event that changed a row. */
  changed_at: ColumnType<number, bigint, bigint>;
}

export type CheckpointSchema = { checkpoints: CheckpointTable };

export interface Checkpoint {
  name: string;
  version: number;
  position: bigint;
  generation: number;
  changedAt: bigint;
}

export type CheckpointRow = Pick<CheckpointTable, 'name' | 'version' | 'generation'> & {
  position: number;
  changed_at: number;
};

export const toCheckpoint = ({ position, changed_at, ...row }: CheckpointRow): Checkpoint => ({
  ...row,
  position: BigInt(position),
  changedAt: BigInt(changed_at),
});

/** Followed by the name of the schema: where PostgreSQL tells of each move, when it is committed. */
export const CHECKPOINT_CHANNEL = 'tenantry_checkpoints_';

const announceMoves = sql`
  create function announce_checkpoint() returns trigger language plpgsql as $$
  begin
    perform pg_notify(${sql.lit(CHECKPOINT_CHANNEL)} || tg_table_schema, json_build_object('name', new.name,
      'version', new.version, 'position', new.position, 'generation', new.generation,
      'changed_at', new.changed_at)::text);
    return null;
  end $$`;

const MIGRATIONS: Migration[] = [
  ({ schema }) =>
    schema
      .createTable('checkpoints')
      .ifNotExists()
      .addColumn('name', 'text', (column) => column.primaryKey())
      .addColumn('version', 'integer', (column) => column.notNull())
      .addColumn('position', 'bigint', (column) => column.notNull())
      .addColumn('tables', 'text', (column) => column.notNull())
      .addColumn('updated_at', 'text', (column) => column.notNull())
      .execute(),
  async (transaction, dialect) => {
    const table = transaction.schema.alterTable('checkpoints');
    await table.addColumn('generation', 'integer', (column) => column.notNull().defaultTo(0)).execute();
    await table.addColumn('changed_at', 'bigint', (column) => column.notNull().defaultTo(0)).execute();
    if (dialect !== 'postgres') return;
    await announceMoves.execute(transaction);
    await sql`create trigger announce_checkpoint after insert or update on checkpoints
      for each row execute function announce_checkpoint()`.execute(transaction);
  },
];

/** Where each projection and follower stands in the log, in the database that they write to. */
export class Checkpoints {
  readonly #database: ReadDatabase;
  readonly #clock: Clock;

  constructor(database: ReadDatabase, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  createTable(): Promise<void> {
    return migrate(this.#database, 'checkpoints', MIGRATIONS);
  }

  async find(name: string): Promise<(Checkpoint & { tables: string[] }) | undefined> {
    const reader = this.#database.reader<CheckpointSchema>();
    const row = await reader
      .selectFrom('checkpoints')
      .selectAll()
      .where('name', '=', name)
      .executeTakeFirst();
    return row && { ...toCheckpoint(row), tables: JSON.parse(row.tables) };
  }

  /** Puts it at a position, whatever there was. */
  async put(
    transaction: Kysely<CheckpointSchema>,
    name: string,
    checkpoint: { version: number; position: bigint; tables: string[] },
  ): Promise<void> {
    const { version, position } = checkpoint;
    const tables = JSON.stringify(checkpoint.tables);
    const updatedAt = this.#clock.now().toISOString();
    const values = { version, position, tables, updated_at: updatedAt, changed_at: position };
    await transaction
      .insertInto('checkpoints')
      .values({ name, ...values, generation: 0 })
      .onConflict((conflict) =>
        conflict
          .column('name')
          .doUpdateSet((row) => ({ ...values, generation: row('checkpoints.generation', '+', 1) })),
      )
      .execute();
  }

  /** Throws `unavailable` where it is further than the caller thinks, and keeps it where it is until the end. */
  async refuseBeyond(transaction: Kysely<CheckpointSchema>, name: string, position: bigint): Promise<void> {
    const { numAffectedRows } = await sql`
      update checkpoints set updated_at = updated_at
      where name = ${name} and position <= ${position}`.execute(transaction);
    if (numAffectedRows !== 1n) throw unavailable(`the checkpoint of ${name} was moved by another process`);
  }

  /** Moves it from one position to the next; `unavailable` if it isn't where the caller thinks. */
  async move(
    transaction: Kysely<CheckpointSchema>,
    name: string,
    range: { from: bigint; to: bigint; changes: boolean },
  ): Promise<void> {
    const updatedAt = this.#clock.now().toISOString();
    const changedAt = range.changes ? sql`${range.to}` : sql.ref('changed_at');
    const { numAffectedRows } = await sql`
      update checkpoints set position = ${range.to}, updated_at = ${updatedAt}, changed_at = ${changedAt}
      where name = ${name} and position = ${range.from}`.execute(transaction);
    if (numAffectedRows !== 1n) throw unavailable(`the checkpoint of ${name} was moved by another process`);
  }
}
