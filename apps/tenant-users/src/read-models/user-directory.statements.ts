import { type Kysely, sql } from 'kysely';
import { prepareStatement, type ReadDatabase, type SlotOf } from '#worker/projections';
import type { UserDirectoryTables, UserRow } from './tables.js';
import { arrayOf, unpacked } from './user-tokens.js';

type Transaction = Kysely<UserDirectoryTables>;

/** What every event of a user sets. */
export type UserState = Pick<
  UserRow,
  'status' | 'account_kit_id' | 'revision' | 'position' | 'updated_at' | 'standing' | 'tokens' | 'personal'
>;

type Stored<Row> = Row & { token_list?: string };

const stateOf = (slot: SlotOf<Stored<UserState>>, dialect: ReadDatabase['dialect']) => ({
  status: slot('status'),
  account_kit_id: slot('account_kit_id'),
  revision: slot('revision'),
  position: slot('position'),
  updated_at: slot('updated_at'),
  standing: slot('standing'),
  tokens: slot('tokens'),
  personal: slot('personal'),
  ...(dialect === 'postgres' && { token_list: sql<string>`${slot('token_list')}::bigint[]` }),
});

/** The statements that write rows, each compiled once. */
export function userStatements(dialect: ReadDatabase['dialect']) {
  const stored = <Row extends UserState>(row: Row): Stored<Row> =>
    dialect === 'sqlite' ? row : { ...row, token_list: arrayOf(unpacked(row.tokens)) };
  const insert = prepareStatement((database: Transaction, slot: SlotOf<Stored<UserRow>>) =>
    database.insertInto('users').values({
      sequence: slot('sequence'),
      id: slot('id'),
      tenant_id: slot('tenant_id'),
      is_default: slot('is_default'),
      subject_key: slot('subject_key'),
      created_at: slot('created_at'),
      opening_budget: slot('opening_budget'),
      ...stateOf(slot, dialect),
    }),
  );
  const update = prepareStatement((database: Transaction, slot: SlotOf<Stored<UserState & { id: string }>>) =>
    database.updateTable('users').set(stateOf(slot, dialect)).where('id', '=', slot('id')),
  );
  return {
    find: prepareStatement((database: Transaction, slot: SlotOf<Pick<UserRow, 'id'>>) =>
      database
        .selectFrom('users')
        .select(['id', 'tenant_id', 'sequence', 'account_kit_id', 'standing', 'tokens', 'personal'])
        .where('id', '=', slot('id')),
    ),
    insert: (transaction: Transaction, row: UserRow) => insert(transaction, stored(row)),
    update: (transaction: Transaction, row: UserState & { id: string }) => update(transaction, stored(row)),
    remove: prepareStatement((database: Transaction, slot: SlotOf<Pick<UserRow, 'sequence'>>) =>
      database.deleteFrom('users').where('sequence', '=', slot('sequence')),
    ),
  };
}
