import { createHmac } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { blindIndex } from './blind-index.js';

const secret = Buffer.alloc(32, 7);

describe('blindIndex', () => {
  it('given the same parts and secret, when taken twice, then the digests are equal and of 32 bytes', () => {
    expect(blindIndex(secret, 'tenant', 'alice')).toEqual(blindIndex(Buffer.from(secret), 'tenant', 'alice'));
    expect(blindIndex(secret, 'tenant', 'alice')).toHaveLength(32);
  });

  it('given stored ids that stem from it, when it is taken anew, then its encoding has not changed', () => {
    const message = Buffer.from('2:ab1:c', 'utf16le');
    expect(blindIndex(secret, 'ab', 'c')).toEqual(createHmac('sha256', secret).update(message).digest());
  });

  it.each([
    [
      ['ab', 'c'],
      ['a', 'bc'],
    ],
    [['a', 'b'], ['ab']],
    [['a'], ['a', '']],
    [[], ['']],
    [['1:a'], ['', 'a']],
    [['\ud800'], ['\ufffd']],
  ])('given %j and %j, when both are taken, then the digests differ', (left, right) => {
    expect(blindIndex(secret, ...left)).not.toEqual(blindIndex(secret, ...right));
  });

  it('given any two lists of strings, when both are taken, then the digests are equal only if the lists are', () => {
    const digits = fc.string({ unit: fc.constantFrom('1', ':', 'a', '\u0131', '\udc00'), maxLength: 4 });
    const lists = fc.array(digits, { maxLength: 3 });
    fc.assert(
      fc.property(lists, lists, (left, right) => {
        const equal = blindIndex(secret, ...left).equals(blindIndex(secret, ...right));
        expect(equal).toBe(JSON.stringify(left) === JSON.stringify(right));
      }),
      { numRuns: 500 },
    );
  });

  it('given another secret, when the same parts are taken, then the digests differ', () => {
    expect(blindIndex(Buffer.alloc(32, 8), 'a')).not.toEqual(blindIndex(secret, 'a'));
  });
});
