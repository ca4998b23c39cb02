import { type JsonObject, streamName } from '#kernel';
import type { Sealer } from '#privacy';
import type { PersonalData } from '../domain/tenant-user.js';
import type { UserRow } from './tables.js';

/** What the row's texts add up to, the later ones laid over the earlier ones; null once their key is destroyed. */
export async function openTexts(
  sealer: Sealer,
  { id, personal }: Pick<UserRow, 'id' | 'personal'>,
  { remember = true } = {},
): Promise<PersonalData | null> {
  const open = (text: string) => sealer.open(text, streamName('tenantUser', id), { remember });
  const opened = await Promise.all(personal.split(' ').filter(Boolean).map(open));
  const [first, ...later] = opened;
  if (!first || later.some((text) => text === null)) return null;
  return Object.assign({}, first, ...later) as JsonObject as unknown as PersonalData;
}
