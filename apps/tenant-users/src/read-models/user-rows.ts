import { type RawBuilder, sql } from 'kysely';
import type { ListOrder } from '#kernel';
import type { ReadDatabase } from '#worker/projections';
import type { UserDirectoryTables, UserRow } from './tables.js';
import { arrayOf, packed } from './user-tokens.js';

/** So many users are looked at in the order of the list before the index of tokens is asked. */
const MAX_WALKED = 400;

export interface WantedPage {
  limit: number;
  /** The sequence of the last user of the page before. */
  after: number | undefined;
  order: ListOrder;
}

/** Which user, and as of which event. */
export type UserKey = Pick<UserRow, 'sequence' | 'position'>;
/** What a list shows of a user, and what a search finds one by. */
export type ListedUser = Omit<UserRow, 'subject_key' | 'opening_budget'>;
export type UserChange = UserDirectoryTables['user_changes'];

export const LISTED_COLUMNS = [
  'sequence',
  'id',
  'tenant_id',
  'status',
  'account_kit_id',
  'is_default',
  'revision',
  'position',
  'created_at',
  'updated_at',
  'standing',
  'tokens',
  'personal',
] as const satisfies (keyof ListedUser)[];
const LISTED = sql.raw(LISTED_COLUMNS.join());

/** What lists and searches read of users: always of one tenant. */
export class UserRows {
  constructor(private readonly database: ReadDatabase) {}

  /** How many users it has, and the position of their latest change. */
  async tenant(tenantId: string): Promise<{ total: number; position: number }> {
    const found = await this.#select<{ total: number; position: number }>(
      sql`select total, position from user_counts where tenant_id = ${tenantId}`,
    );
    return found[0] ?? { total: 0, position: 0 };
  }

  largestTenants(limit: number): Promise<{ tenant_id: string; total: number }[]> {
    return this.#select(sql`select tenant_id, total from user_counts order by total desc limit ${limit}`);
  }

  /** Of those that have all the tokens one more than the limit, where there are as many. */
  async page(tenantId: string, tokens: readonly string[], page: WantedPage): Promise<UserKey[]> {
    const { limit, order, after = order === 'created_at' ? 0 : Number.MAX_SAFE_INTEGER } = page;
    const [beyond, direction] = order === 'created_at' ? [sql`>`, sql`asc`] : [sql`<`, sql`desc`];
    const users = sql`from users where tenant_id = ${tenantId} and sequence ${beyond} ${after}`;
    const inOrder = sql`order by sequence ${direction}`;
    const end = sql`${inOrder} limit ${limit + 1}`;
    if (tokens.length === 0) return this.#select(sql`select sequence, position ${users} ${end}`);
    const column = this.#isSqlite ? sql`tokens` : sql`token_list`;
    const walked = await this.#select<UserKey>(sql`
      select sequence, position from
        (select sequence, position, ${column} ${users} ${inOrder} limit ${MAX_WALKED}) as walked
      where ${this.#has(tokens)} ${end}`);
    if (walked.length > limit) return walked;
    return this.#select(
      this.#isSqlite
        ? sql`select sequence, position from user_tokens cross join users on sequence = user_tokens.rowid
            where user_tokens match ${tokens.join(' ')} and user_tokens.rowid ${beyond} ${after}
            order by user_tokens.rowid ${direction} limit ${limit + 1}`
        : // PostgreSQL takes rare tokens for less rare than they are, and would rather walk on.
          sql`with found as materialized (select sequence, position ${users} and ${this.#has(tokens)})
            select sequence, position from found ${end}`,
    );
  }

  /** How many have all the tokens; at least one. */
  async count(tenantId: string, tokens: readonly string[]): Promise<number> {
    const found = this.#isSqlite
      ? sql`user_tokens where user_tokens match ${tokens.join(' ')}`
      : sql`users where tenant_id = ${tenantId} and ${this.#has(tokens)}`;
    const [row] = await this.#select<{ total: number }>(sql`select count(*) as total from ${found}`);
    return row?.total ?? 0;
  }

  /** In no order; without those that are gone. */
  at(tenantId: string, sequences: readonly number[]): Promise<ListedUser[]> {
    return this.#at(LISTED, tenantId, sequences);
  }

  /** The same, by what tells whether they have changed. */
  keysAt(tenantId: string, sequences: readonly number[]): Promise<UserKey[]> {
    return this.#at(sql`sequence, position`, tenantId, sequences);
  }

  /** Nobody where the user is of another tenant, or lacks a token. */
  named(tenantId: string, id: string, tokens: readonly string[]): Promise<ListedUser[]> {
    const user = sql`select ${LISTED} from users where id = ${id} and tenant_id = ${tenantId}`;
    return this.#select(tokens.length === 0 ? user : sql`${user} and ${this.#has(tokens)}`);
  }

  /** In ascending order of their sequences. */
  next(tenantId: string, after: number, limit: number): Promise<ListedUser[]> {
    return this.#select(sql`select ${LISTED} from users
      where tenant_id = ${tenantId} and sequence > ${after} order by sequence limit ${limit}`);
  }

  /** The first and the last of the changes that are kept, of all tenants. */
  async changes(): Promise<{ first: number; last: number }> {
    const [row] = await this.#select<{ first: number; last: number }>(sql`
      select (select coalesce(min(ordinal), 1) from user_changes) as first,
        (select coalesce(max(ordinal), 0) from user_changes) as last`);
    return row ?? { first: 1, last: 0 };
  }

  changesAfter(ordinal: number, limit: number): Promise<UserChange[]> {
    return this.#select(sql`select ordinal, tenant_id, sequence from user_changes
      where ordinal > ${ordinal} order by ordinal limit ${limit}`);
  }

  /** Whose rows have changed: the sequences, each once. */
  async changedUsers(tenantId: string, { after, to }: { after: number; to: number }): Promise<number[]> {
    const changed = await this.#select<Pick<UserRow, 'sequence'>>(sql`
      select distinct sequence from user_changes
      where ordinal > ${after} and ordinal <= ${to} and tenant_id = ${tenantId}`);
    return changed.map(({ sequence }) => sequence);
  }

  async #at<Row>(
    columns: RawBuilder<unknown>,
    tenantId: string,
    sequences: readonly number[],
  ): Promise<Row[]> {
    if (sequences.length === 0) return [];
    return this.#select(
      sql`select ${columns} from users where tenant_id = ${tenantId} and sequence in (${sql.join(sequences)})`,
    );
  }

  /** Whole tokens; in SQLite but for a chance of the same size as that of two equal ones. */
  #has(tokens: readonly string[]) {
    if (!this.#isSqlite) return sql`token_list @> ${arrayOf(tokens)}::bigint[]`;
    const each = tokens.map((token) => sql`instr(tokens, ${packed([token])}) > 0`);
    return sql.join(each, sql` and `);
  }

  get #isSqlite(): boolean {
    return this.database.dialect === 'sqlite';
  }

  #select<Row>(query: RawBuilder<unknown>): Promise<Row[]> {
    return this.database.select(query.compile(this.database.reader()));
  }
}
