import { type Compilable, CompiledQuery } from 'kysely';

/** A statement as it goes to another thread. */
export interface PlainQuery {
  sql: string;
  parameters: readonly unknown[];
}

export function plainQuery(query: Compilable): PlainQuery {
  const { sql, parameters } = query.compile();
  return { sql, parameters };
}

/** The statement again, where it has come to. */
export const compilable = ({ sql, parameters }: PlainQuery): Compilable => ({
  compile: () => CompiledQuery.raw(sql, [...parameters]),
});
