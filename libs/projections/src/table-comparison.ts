import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { AnySchema } from './projection.js';
import type { ReadDatabase } from './read-database.js';

const ROWS_PER_PAGE = 512;

interface Compared {
  tables: readonly string[];
  /** What the transaction calls a table on either side. */
  live(table: string): string;
  built(table: string): string;
  dialect: ReadDatabase['dialect'];
}

/**
 * Rows that stand differently in the live tables and those that were built; a changed row counts once. Reads go on
 * meanwhile; the transaction keeps both sides as they are.
 */
export async function countDifferences(
  transaction: Kysely<AnySchema>,
  { tables, live, built, dialect }: Compared,
): Promise<number> {
  const countMissing = dialect === 'sqlite' ? countMissingInPages : countMissingAtOnce;
  let differences = 0;
  for (const table of tables) {
    const onlyLive = await countMissing(transaction, live(table), built(table));
    const onlyBuilt = await countMissing(transaction, built(table), live(table));
    differences += Math.max(onlyLive, onlyBuilt);
  }
  return differences;
}

async function countMissingAtOnce(transaction: Kysely<AnySchema>, from: string, other: string) {
  const { rows } = await sql<{ missing: number }>`
    select count(*) as missing from (select * from ${sql.table(from)} except all select * from ${sql.table(other)}) as a
  `.execute(transaction);
  return rows[0]?.missing ?? 0;
}

/** The condition that rows `a` and `b` are alike. `=` lets SQLite find the row by its key; `is` equates nulls. */
async function sameRow(transaction: Kysely<AnySchema>, table: string): Promise<RawBuilder<unknown>> {
  const { rows } = await sql<{ name: string; pk: number }>`
    select name, pk from pragma_table_info(${table.split('.').at(-1)})`.execute(transaction);
  const conditions = rows.map(({ name, pk }) =>
    pk > 0 ? sql`a.${sql.ref(name)} = b.${sql.ref(name)}` : sql`a.${sql.ref(name)} is b.${sql.ref(name)}`,
  );
  return sql.join(conditions, sql` and `);
}

/** Counts the rows of one table that the other doesn't hold, so many that the event loop stands still no longer. */
async function countMissingInPages(
  transaction: Kysely<AnySchema>,
  fromName: string,
  otherName: string,
): Promise<number> {
  const same = await sameRow(transaction, fromName);
  const [from, other] = [sql.table(fromName), sql.table(otherName)];
  let missing = 0;
  for (let after = Number.MIN_SAFE_INTEGER; ; ) {
    const page = await sql<{ last: number | null; missing: number }>`
      select max(a.rowid) as last,
        coalesce(sum(not exists (select 1 from ${other} as b where ${same})), 0) as missing
      from (select rowid, * from ${from} where rowid > ${after} order by rowid limit ${ROWS_PER_PAGE}) as a
    `.execute(transaction);
    const [row] = page.rows;
    if (!row || row.last === null) return missing;
    missing += row.missing;
    after = row.last;
    await nextTurn();
  }
}
