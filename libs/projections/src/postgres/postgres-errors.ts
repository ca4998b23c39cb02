import pg from 'pg';
import { illegalState, isTenantryError, unavailable } from '#kernel';

/**
 * SQLSTATEs (PostgreSQL, appendix A) for "not now": connection (08), invalid authorization and no such database, which
 * the start has ruled out, deadlock and serialization (40), resources (53), operator intervention (57), system (58).
 */
const PASSING_CLASSES = new Set(['08', '28', '3D', '40', '53', '57', '58']);
/** Lock not available, and a server that has become a standby. */
const PASSING_CODES = new Set(['55P03', '25006']);
/** No such table or column: another version of the service made the tables, or no one has yet. */
const OTHER_TABLES = new Set(['42P01', '42703']);

const SETTING_CODES: Record<string, string> = {
  ENOTFOUND: 'there is no such host',
  '28P01': 'the server refuses the user or the password',
  '28000': 'the server refuses the user or the way of connecting',
  '3D000': 'there is no such database on the server',
  '42501': 'the user may not use or make the schema in the database',
};

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

/** What pg itself throws, rather than the server, tells of the connection. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof pg.DatabaseError)) return true;
  const code = codeOf(error);
  return PASSING_CLASSES.has(code.slice(0, 2)) || PASSING_CODES.has(code) || isStalePlan(error);
}

/** An error of pg or of the server as the callers of a database know it. */
export function databaseError(error: unknown): unknown {
  if (isTenantryError(error) || !isPassing(error)) return error;
  return unavailable('the database is not available', { cause: error });
}

/** The same for reads: where the tables are another version's, they may be right later. */
export function readError(error: unknown): unknown {
  return OTHER_TABLES.has(codeOf(error))
    ? unavailable('the read models are not there yet', { cause: error })
    : databaseError(error);
}

/** "Cached plan must not change result type": the tables were replaced by others of that name. */
export const isStalePlan = (error: unknown): boolean => codeOf(error) === '0A000';

/** A reader that had to give way to a writer holds nothing, so it may ask again at once. */
export const isRepeatable = (error: unknown): boolean =>
  isStalePlan(error) || ['40P01', '40001'].includes(codeOf(error));

/** While connecting: `illegal_state` with the cause where the setting must be wrong, else `unavailable`. */
export function connectError(error: unknown): unknown {
  const wrong = SETTING_CODES[codeOf(error)];
  if (wrong) return illegalState(wrong, { cause: error });
  const { message, code } = error instanceof Error ? { message: error.message, code: codeOf(error) } : {};
  if (code === '' && message?.includes('SSL')) {
    return illegalState('the server and the URL do not agree on TLS', { cause: error });
  }
  return unavailable(`the server cannot be reached (${code || 'no answer'})`, { cause: error });
}
