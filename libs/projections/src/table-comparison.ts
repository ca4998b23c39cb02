import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { AnySchema } from './projection.js';
import { rebuildName } from './table-names.js';

const ROWS_PER_PAGE = 512;

/**
 * Rows that stand differently in the live and the rebuilt tables; a changed row counts once. SQLite only. Works in
 * pages, so that reads go on meanwhile; the transaction keeps both sides as they are.
 */
export async function countDifferences(
  transaction: Kysely<AnySchema>,
  tables: readonly string[],
): Promise<number> {
  let differences = 0;
  for (const table of tables) {
    const same = await sameRow(transaction, table);
    const onlyLive = await countMissing(transaction, { from: table, in: rebuildName(table), same });
    const onlyRebuilt = await countMissing(transaction, { from: rebuildName(table), in: table, same });
    differences += Math.max(onlyLive, onlyRebuilt);
  }
  return differences;
}

/** The condition that rows `a` and `b` are alike. `=` lets SQLite find the row by its key; `is` equates nulls. */
async function sameRow(transaction: Kysely<AnySchema>, table: string): Promise<RawBuilder<unknown>> {
  const { rows } = await sql<{ name: string; pk: number }>`
    select name, pk from pragma_table_info(${table})`.execute(transaction);
  const conditions = rows.map(({ name, pk }) =>
    pk > 0 ? sql`a.${sql.ref(name)} = b.${sql.ref(name)}` : sql`a.${sql.ref(name)} is b.${sql.ref(name)}`,
  );
  return sql.join(conditions, sql` and `);
}

interface Comparison {
  from: string;
  in: string;
  same: RawBuilder<unknown>;
}

/** Counts the rows of one table that the other doesn't hold. */
async function countMissing(transaction: Kysely<AnySchema>, comparison: Comparison): Promise<number> {
  const [from, other] = [sql.table(comparison.from), sql.table(comparison.in)];
  let missing = 0;
  for (let after = Number.MIN_SAFE_INTEGER; ; ) {
    const page = await sql<{ last: number | null; missing: number }>`
      select max(a.rowid) as last,
        coalesce(sum(not exists (select 1 from ${other} as b where ${comparison.same})), 0) as missing
      from (select rowid, * from ${from} where rowid > ${after} order by rowid limit ${ROWS_PER_PAGE}) as a
    `.execute(transaction);
    const [row] = page.rows;
    if (!row || row.last === null) return missing;
    missing += row.missing;
    after = row.last;
    await nextTurn();
  }
}
