import { type Kysely, sql } from 'kysely';
import { prepareStatement, type ReadDatabase, type SlotOf } from '#worker/projections';
import type { UserDirectoryTables, UserRow } from './tables.js';
import { deleteTokens, insertTokens } from './user-directory.tables.js';
import { unpacked } from './user-tokens.js';

/** As many of the latest changes are kept for those who follow the rows. */
const MAX_CHANGES = 65_536;

type Transaction = Kysely<UserDirectoryTables>;
type Place = Pick<UserRow, 'tenant_id' | 'sequence' | 'position'>;
interface Tokens {
  before: Uint8Array;
  after: Uint8Array;
}

/**
 * What follows from the events of one transaction beside the users' own rows, written once at its end: counts once
 * for each tenant, and tokens in ascending order, which the full-text index takes in one piece.
 */
export class UserChanges {
  readonly #counts = new Map<string, { by: number; position: number }>();
  readonly #kits = new Map<string, number>();
  readonly #changed: Omit<Place, 'position'>[] = [];
  readonly #tokens = new Map<number, Tokens>();

  /** `by` is 1 for one that is new, and -1 for one that is gone. */
  add({ tenant_id, sequence, position }: Place, by: number, { before, after }: Tokens): void {
    this.#counts.set(tenant_id, { by: (this.#counts.get(tenant_id)?.by ?? 0) + by, position });
    this.#changed.push({ tenant_id, sequence });
    this.#tokens.set(sequence, { before: this.#tokens.get(sequence)?.before ?? before, after });
  }

  /** So many users more, or less, are governed by the kit. */
  govern(accountKitId: string, by: number): void {
    this.#kits.set(accountKitId, (this.#kits.get(accountKitId) ?? 0) + by);
  }

  /** Answers how many times the index of tokens was written to. */
  async write(transaction: Transaction, dialect: ReadDatabase['dialect']): Promise<number> {
    if (this.#changed.length === 0) return 0;
    for (const [tenant_id, { by, position }] of this.#counts) {
      await addToCount(transaction, { tenant_id, by, position });
    }
    for (const [account_kit_id, by] of this.#kits) await addToKit(transaction, { account_kit_id, by });
    await this.#writeChanges(transaction, dialect);
    return dialect === 'sqlite' ? this.#writeTokens(transaction) : 0;
  }

  async #writeTokens(transaction: Transaction): Promise<number> {
    let written = 0;
    const users = [...this.#tokens].sort(([one], [other]) => one - other);
    for (const [sequence, tokens] of users) {
      const [before, after] = [unpacked(tokens.before), unpacked(tokens.after)];
      const gone = before.filter((token) => !after.includes(token));
      const added = after.filter((token) => !before.includes(token));
      if (gone.length === 0 && added.length === 0) continue;
      // One insertion for each deletion, even of nothing: SQLite counts them, and takes a shortfall for damage. What stays
      // is left alone, since one token deleted and inserted in one transaction is lost (3.53, secure-delete, detail=none).
      if (before.length > 0) await deleteTokens(transaction, { sequence, text: gone.join(' ') });
      if (after.length > 0) await insertTokens(transaction, { sequence, text: added.join(' ') });
      written += 1;
    }
    return written;
  }

  async #writeChanges(transaction: Transaction, dialect: ReadDatabase['dialect']): Promise<void> {
    const [row] = await lastOrdinal(transaction, {});
    const last = Number(row?.last);
    const changes = this.#changed.map((change, at) => ({ ordinal: last + 1 + at, ...change }));
    if (dialect === 'postgres') await transaction.insertInto('user_changes').values(changes).execute();
    else for (const change of changes) await insertChange(transaction, change);
    await removeChanges(transaction, { last: last + changes.length - MAX_CHANGES });
  }
}

const addToCount = prepareStatement(
  (database: Transaction, slot: SlotOf<{ tenant_id: string; by: number; position: number }>) =>
    database
      .insertInto('user_counts')
      .values({ tenant_id: slot('tenant_id'), total: slot('by'), position: slot('position') })
      .onConflict((conflict) =>
        conflict.column('tenant_id').doUpdateSet((row) => ({
          total: row('user_counts.total', '+', row.ref('excluded.total')),
          position: row.ref('excluded.position'),
        })),
      ),
);

const addToKit = prepareStatement(
  (database: Transaction, slot: SlotOf<{ account_kit_id: string; by: number }>) =>
    database
      .insertInto('kit_users')
      .values({ account_kit_id: slot('account_kit_id'), total: slot('by') })
      .onConflict((conflict) =>
        conflict.column('account_kit_id').doUpdateSet((row) => ({
          total: row('kit_users.total', '+', row.ref('excluded.total')),
        })),
      ),
);

const lastOrdinal = prepareStatement((database: Transaction) =>
  database
    .selectFrom('user_changes')
    .select((row) => row.fn.coalesce(row.fn.max('ordinal'), sql<number>`0`).as('last')),
);

const insertChange = prepareStatement(
  (database: Transaction, slot: SlotOf<UserDirectoryTables['user_changes']>) =>
    database.insertInto('user_changes').values({
      ordinal: slot('ordinal'),
      tenant_id: slot('tenant_id'),
      sequence: slot('sequence'),
    }),
);

const removeChanges = prepareStatement((database: Transaction, slot: SlotOf<{ last: number }>) =>
  database.deleteFrom('user_changes').where('ordinal', '<=', slot('last')),
);
