import { createHmac } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { hmacKey, hmacSha256 } from './hmac.js';

describe('HMAC-SHA-256', () => {
  it('is what Node makes of any key of up to 64 bytes and any message', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.uint8Array({ maxLength: 300 }), (key, message) => {
        const expected = createHmac('sha256', key).update(message).digest('hex');
        expect(hmacSha256(hmacKey(key), message).toString('hex')).toBe(expected);
      }),
    );
  });
});
