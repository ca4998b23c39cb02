import { randomFillSync } from 'node:crypto';

/** Random bytes are drawn for hundreds of callers at once: a draw costs more than all the rest of an id. */
const pool = new Uint8Array(8_192);
let used = pool.length;

/** At most 8 KiB, of cryptographic quality; nobody else is given them. */
export function randomOctets(length: number): Uint8Array {
  if (used + length > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += length;
  const drawn = pool.slice(used - length, used);
  // It may become a key, of which no copy is to stay.
  pool.fill(0, used - length, used);
  return drawn;
}
