import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { drawBytes } from '#kernel';

export type ApiKeyKind = 'root' | 'plat' | 'user';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** 27 base62 characters hold 160.8 bits. */
const RANDOM_LENGTH = 27;
const CHECKSUM_LENGTH = 6;
const SHAPE = /^tnt_(root|plat|user)_([0-9A-Za-z]{27})([0-9A-Za-z]{6})$/;

/** A new key: `tnt_KIND_` + 27 random base62 characters + their CRC-32 in 6 base62 characters. */
export function createApiKey(kind: ApiKeyKind): string {
  let random = '';
  // Bytes from 248 on are passed over, so that all 62 characters are equally likely.
  while (random.length < RANDOM_LENGTH) {
    for (const byte of drawBytes(RANDOM_LENGTH)) if (byte < 248) random += ALPHABET[byte % ALPHABET.length];
  }
  const body = `tnt_${kind}_${random.slice(0, RANDOM_LENGTH)}`;
  return body + checksum(body);
}

/** The kind of a well-formed key; undefined for anything mistyped, without a look-up. */
export function parseApiKey(key: string): { kind: ApiKeyKind } | undefined {
  const match = SHAPE.exec(key);
  if (!match) return undefined;
  const body = key.slice(0, -CHECKSUM_LENGTH);
  return checksum(body) === match[3] ? { kind: match[1] as ApiKeyKind } : undefined;
}

/** SHA-256 in hex. The key holds 160 random bits, so a fast hash is enough; only the hash is stored. */
export const hashApiKey = (key: string): string => hash('sha256', key);

/** What may be shown of a key after it was issued. */
export const apiKeyPrefix = (key: string): string => key.slice(0, 'tnt_user_'.length + 4);

function checksum(body: string): string {
  let rest = crc32(body);
  let text = '';
  for (let index = 0; index < CHECKSUM_LENGTH; index++) {
    text = ALPHABET.charAt(rest % ALPHABET.length) + text;
    rest = Math.floor(rest / ALPHABET.length);
  }
  return text;
}
