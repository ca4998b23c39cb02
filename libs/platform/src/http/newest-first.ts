import type { Selectable, SelectQueryBuilder } from 'kysely';
import { decodeCursor, pageOf } from '#kernel';
import type { Page, PageQuery } from './pagination.js';

/** A page of the rows that the query is for, by their places in the log. They are counted unless `total` is known. */
export async function newestFirst<Tables, Table extends keyof Tables & string>(
  query: SelectQueryBuilder<Tables, Table, object>,
  { limit, cursor }: PageQuery,
  total?: number,
): Promise<Page<Selectable<Tables[Table]>>> {
  const all = query as unknown as SelectQueryBuilder<{ listed: { sequence: number } }, 'listed', object>;
  const found = await all
    .selectAll()
    .where('sequence', '<', cursor === undefined ? Number.MAX_SAFE_INTEGER : decodeCursor(cursor))
    .orderBy('sequence', 'desc')
    .limit(limit + 1)
    .execute();
  const counted = () => all.select(({ fn }) => fn.countAll<number>().as('total')).executeTakeFirstOrThrow();
  const { rows, next } = pageOf(found, limit);
  return {
    data: rows as unknown as Selectable<Tables[Table]>[],
    next_cursor: next,
    total: total ?? Number((await counted()).total),
  };
}
