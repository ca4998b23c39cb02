import { type Kysely, sql } from 'kysely';
import { type CreateIndex, prepareStatement, type ReadDatabase, type SlotOf } from '#worker/projections';
import type { UserDirectoryTables, UserRow } from './tables.js';

type Dialect = ReadDatabase['dialect'];
type Transaction = Kysely<UserDirectoryTables>;

/** SQLite's index of tokens: a full-text index whose rowids are the users' sequences. */
export const TOKEN_TABLE = 'user_tokens';

export async function createUserTables(
  { schema }: Transaction,
  createIndex: CreateIndex,
  dialect: Dialect,
): Promise<void> {
  const sqlite = dialect === 'sqlite';
  const users = schema
    .createTable('users')
    // In SQLite it is the rowid then, which each index ends with.
    .addColumn('sequence', sqlite ? 'integer' : 'bigint', (column) => column.primaryKey())
    .addColumn('id', 'text', (column) => column.notNull())
    .addColumn('tenant_id', 'text', (column) => column.notNull())
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('account_kit_id', 'text', (column) => column.notNull())
    .addColumn('is_default', 'integer', (column) => column.notNull())
    .addColumn('subject_key', 'text', (column) => column.notNull())
    .addColumn('revision', 'bigint', (column) => column.notNull())
    .addColumn('position', 'bigint', (column) => column.notNull())
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addColumn('updated_at', 'text', (column) => column.notNull())
    .addColumn('opening_budget', 'text')
    .addColumn('standing', 'text')
    .addColumn('tokens', sqlite ? 'blob' : 'bytea', (column) => column.notNull())
    .addColumn('personal', 'text', (column) => column.notNull());
  await (sqlite ? users : users.addColumn('token_list', sql`bigint[]`)).execute();
  await createIndex('users', ['id'], { unique: true });
  await createIndex('users', sqlite ? ['tenant_id'] : ['tenant_id', 'sequence']);
  if (!sqlite) await createIndex('users', ['token_list'], { using: 'gin' });
  await schema
    .createTable('user_counts')
    .addColumn('tenant_id', 'text', (column) => column.primaryKey())
    .addColumn('total', 'bigint', (column) => column.notNull())
    .addColumn('position', 'bigint', (column) => column.notNull())
    .execute();
  await schema
    .createTable('kit_users')
    .addColumn('account_kit_id', 'text', (column) => column.primaryKey())
    .addColumn('total', 'bigint', (column) => column.notNull())
    .execute();
  await schema
    .createTable('user_changes')
    .addColumn('ordinal', sqlite ? 'integer' : 'bigint', (column) => column.primaryKey())
    .addColumn('tenant_id', 'text', (column) => column.notNull())
    .addColumn('sequence', 'bigint', (column) => column.notNull())
    .execute();
}

/**
 * It keeps no text and no sizes, and leaves nothing of what is deleted. Its segments are merged apart, since on its own
 * it does so in steps that others would feel, and by twos, since a deletion has to look into each of them.
 */
export async function createTokenTable(transaction: Transaction): Promise<void> {
  const table = sql.table(TOKEN_TABLE);
  await sql`create virtual table ${table} using fts5
    (tokens, content='', detail='none', columnsize=0, tokenize='ascii')`.execute(transaction);
  await sql`insert into ${table} (${table}, rank) values
    ('secure-delete', 1), ('automerge', 0), ('crisismerge', 1000), ('usermerge', 2)`.execute(transaction);
}

/** Writes so many pages of merged segments at most. */
export const mergeTokens = (transaction: Transaction, pages: number) =>
  sql`insert into ${sql.table(TOKEN_TABLE)} (${sql.table(TOKEN_TABLE)}, rank)
    values ('merge', ${sql.lit(pages)})`.execute(transaction);

type Tokens = Pick<UserRow, 'sequence'> & { text: string };

const compiled = <Parameters extends object>(
  statement: (slot: SlotOf<Parameters>) => ReturnType<typeof sql>,
) =>
  prepareStatement((database: Transaction, slot: SlotOf<Parameters>) => ({
    compile: () => statement(slot).compile(database),
  }));

export const insertTokens = compiled<Tokens>(
  (slot) =>
    sql`insert into ${sql.table(TOKEN_TABLE)} (rowid, tokens) values (${slot('sequence')}, ${slot('text')})`,
);

export const deleteTokens = compiled<Tokens>(
  (slot) => sql`insert into ${sql.table(TOKEN_TABLE)} (${sql.table(TOKEN_TABLE)}, rowid, tokens)
    values ('delete', ${slot('sequence')}, ${slot('text')})`,
);
