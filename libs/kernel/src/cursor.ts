import { invalidInput } from './errors.js';

/** By time of creation: newest first, or oldest first. */
export const LIST_ORDERS = ['-created_at', 'created_at'] as const;
export type ListOrder = (typeof LIST_ORDERS)[number];

const CURSOR_PREFIX: Record<ListOrder, string> = { '-created_at': 'after', created_at: 'oldest-after' };

/**
 * A cursor names the last row seen by its place in the log, which neither inserts nor deletes move, and the order
 * that it was seen in.
 */
export const encodeCursor = (sequence: number, order: ListOrder = '-created_at'): string =>
  Buffer.from(`${CURSOR_PREFIX[order]}:${sequence}`, 'latin1').toString('base64url');

/** Throws `invalid_input` for anything that `encodeCursor` did not make in this order. */
export function decodeCursor(cursor: string, order: ListOrder = '-created_at'): number {
  const match = /^[a-z-]+:(\d{1,16})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'));
  const sequence = Number(match?.[1]);
  if (!match || !Number.isSafeInteger(sequence) || encodeCursor(sequence, order) !== cursor) {
    throw invalidInput('cursor', 'is not a cursor of this list');
  }
  return sequence;
}

/** Cuts the page out of `limit + 1` rows that were asked for, so that the last page is known without a count. */
export function pageOf<Row extends { sequence: number }>(
  rows: Row[],
  limit: number,
  order: ListOrder = '-created_at',
): { rows: Row[]; next: string | null } {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return { rows: shown, next: rows.length > limit && last ? encodeCursor(last.sequence, order) : null };
}
