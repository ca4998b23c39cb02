import type { Compilable, Kysely } from 'kysely';

/** The work of a transaction that does these queries one after the other; they are compiled now. */
export function executing(queries: readonly Compilable[]): (transaction: Kysely<unknown>) => Promise<void> {
  const compiled = queries.map((query) => query.compile());
  return async (transaction) => {
    for (const query of compiled) await transaction.executeQuery(query);
  };
}
