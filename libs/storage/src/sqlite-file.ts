import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import { illegalState } from '#kernel';

/** One value of a table; undefined where the table or the row is missing. */
export function valueIn<Value extends SQLOutputValue>(
  database: DatabaseSync,
  table: string,
  expression: string,
  where = 'true',
): Value | undefined {
  const isThere = database
    .prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?")
    .get(table);
  if (!isThere) return undefined;
  const row = database.prepare(`SELECT ${expression} AS value FROM ${table} WHERE ${where}`).get();
  return (row?.value ?? undefined) as Value | undefined;
}

const REFUSALS = ['ERR_SQLITE_ERROR', 'EACCES', 'EPERM', 'EROFS'];

/** Throws `illegal_state` that names the file where it can't be opened: it is damaged, or may not be written. */
export function openingFile<Result>(file: string, open: () => Result): Result {
  try {
    return open();
  } catch (error) {
    if (!REFUSALS.includes(String((error as { code?: string }).code))) throw error;
    throw illegalState(`${file} cannot be opened: ${(error as Error).message}`, { cause: error });
  }
}
