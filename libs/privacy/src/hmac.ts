import { hash } from 'node:crypto';

const BLOCK_BYTES = 64;

/** A key with its two pads laid out, as HMAC uses it. */
export interface HmacKey {
  inner: Uint8Array;
  outer: Uint8Array;
}

/** `key` is at most 64 bytes. */
export function hmacKey(key: Uint8Array): HmacKey {
  const padded = new Uint8Array(BLOCK_BYTES);
  padded.set(key);
  return { inner: padded.map((byte) => byte ^ 0x36), outer: padded.map((byte) => byte ^ 0x5c) };
}

/** HMAC-SHA-256 (RFC 2104) by one-shot hashes: Node's own makes a stream of each, at several times the cost. */
export function hmacSha256(key: HmacKey, message: Uint8Array): Buffer {
  const inner = hash('sha256', Buffer.concat([key.inner, message]), 'buffer');
  return hash('sha256', Buffer.concat([key.outer, inner]), 'buffer');
}
