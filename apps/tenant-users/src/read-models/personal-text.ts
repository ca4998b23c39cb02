import { type JsonObject, streamName } from '#kernel';
import type { UserRow } from './tables.js';
import type { PersonalText } from './user-tokens.js';

/** Null once the key is destroyed, and where key or text is damaged. Throws where the keys are out of reach. */
export type Open = (sealed: string, stream: string) => Promise<JsonObject | null>;

type SealedText = Pick<UserRow, 'id' | 'personal'>;

/**
 * What the sealed texts of a row add up to: one that is whole, or the first of an older log with its changes, oldest
 * first. Null where it can't be read any more: the key is destroyed, or the text damaged.
 */
export async function openPersonal(
  open: Open,
  row: SealedText & Pick<UserRow, 'standing'>,
): Promise<PersonalText | null> {
  const texts = await openAll(open, row);
  return texts.includes(null) ? null : Object.assign(clearOf(row), ...texts);
}

/** The texts without those that later ones have made void. */
export async function compacted(open: Open, row: SealedText): Promise<string> {
  const texts = await openAll(open, row);
  if (texts.includes(null)) return row.personal;
  const known = new Set<string>();
  const isNeeded = texts.map(() => false);
  for (const [at, text] of [...texts.entries()].reverse()) {
    const fields = Object.keys(text ?? {});
    isNeeded[at] = fields.some((field) => !known.has(field));
    for (const field of fields) known.add(field);
  }
  const sealed = row.personal.split(' ');
  return sealed.filter((_, at) => isNeeded[at]).join(' ');
}

/** What older logs hold in clear. */
export const clearOf = ({ standing }: Pick<UserRow, 'standing'>): { role?: string; teams?: string[] } =>
  standing === null ? {} : JSON.parse(standing);

const openAll = (open: Open, { id, personal }: SealedText): Promise<(JsonObject | null)[]> =>
  Promise.all(personal.split(' ').map((sealed) => open(sealed, streamName('tenantUser', id))));
