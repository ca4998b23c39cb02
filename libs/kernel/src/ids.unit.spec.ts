import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { derivedId, isId, newId } from './ids.js';

describe('ids', () => {
  it('cuts a version 8 UUID of the RFC 9562 variant from a digest', () => {
    const digest = createHash('sha256').update('tenantry').digest();
    const id = derivedId(digest);
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(id.slice(0, 8)).toBe(digest.toString('hex').slice(0, 8));
    expect(derivedId(digest)).toBe(id);
  });

  it('makes version 7 UUIDs in time order', () => {
    const ids = Array.from({ length: 1_000 }, newId);
    expect(ids.every((id) => isId(id) && id[14] === '7')).toBe(true);
    const times = ids.map((id) => id.slice(0, 13));
    expect([...times].sort()).toEqual(times);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it.each(['', 'default', 'zzz', '01A1FE06-0113-71B7-9246-0051C577D94C', '01a1fe06011371b792460051c577d94c'])(
    'refuses %p',
    (value) => {
      expect(isId(value)).toBe(false);
    },
  );
});
