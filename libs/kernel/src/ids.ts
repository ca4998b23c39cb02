import { v7, validate } from 'uuid';
import { randomOctets } from './random.js';
import { repeatableRequest } from './repeatable-request.js';

/** A UUID of version 7 (RFC 9562): ordered by time to the millisecond. */
export const uniqueId = (): string => v7({ rng: () => randomOctets(16) });

/** The same for what callers see: in a repeatable request it is the same each time. */
export function newId(): string {
  const request = repeatableRequest();
  return request ? v7({ msecs: request.startedAt, random: request.draw(16) }) : uniqueId();
}

/** A UUID of version 8 (RFC 9562) cut from the first 16 bytes of a digest. */
export function derivedId(digest: Uint8Array): string {
  const bytes = Buffer.from(digest.subarray(0, 16));
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** Any UUID in its canonical lower-case form, the only form that ids are accepted in. */
export const isId = (value: string): boolean => validate(value) && value === value.toLowerCase();
