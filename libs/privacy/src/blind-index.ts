import { type HmacKey, hmacKey, hmacSha256 } from './hmac.js';

const laidOut = new WeakMap<Uint8Array, HmacKey>();

/**
 * HMAC-SHA-256 (RFC 2104) of the parts: a stand-in for a value that must not be stored, to look it up by or to
 * derive an id from. Equal parts give equal digests; without the secret neither can be told from the other.
 * Each part goes in as its length and its UTF-16 code units, so that two different lists of strings never read
 * the same. The encoding is part of stored ids: it must not change.
 */
export function blindIndex(secret: Uint8Array, ...parts: string[]): Buffer {
  const message = parts.map((part) => `${part.length}:${part}`).join('');
  return hmacSha256(keyOf(secret), Buffer.from(message, 'utf16le'));
}

function keyOf(secret: Uint8Array): HmacKey {
  const known = laidOut.get(secret);
  if (known) return known;
  const made = hmacKey(secret);
  laidOut.set(secret, made);
  return made;
}
