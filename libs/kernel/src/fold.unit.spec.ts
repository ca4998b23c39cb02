import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fold, foldEmail } from './fold.js';

describe('folding', () => {
  it.each([
    ['Alice', 'aLICE'],
    ['straße', 'STRASSE'],
    ['STRAẞE', 'strasse'],
    ['ὈΔΥΣΣΕΎΣ', 'ὀδυσσεύς'],
    ['οδοσ', 'οδος'],
    ['é', 'E\u0301'],
    ['ﬁn', 'FIN'],
    ['\u212Aelvin', 'kelvin'],
    ['İ', 'i\u0307'],
    ['ᾳ', 'ΑΙ'],
  ])('given %j and %j, then they count as equal', (one, other) => {
    expect(fold(one)).toBe(fold(other));
  });

  it.each([
    ['a', 'á'],
    ['o', '0'],
    ['ss', 's'],
    ['a', 'а'],
  ])('given %j and %j, then they differ', (one, other) => {
    expect(fold(one)).not.toBe(fold(other));
  });

  it('given any text, then folding it again, or another case or form of it, changes nothing', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (text) => {
        const folded = fold(text);
        expect(fold(folded)).toBe(folded);
        expect(fold(text.normalize('NFD'))).toBe(folded);
      }),
      { numRuns: 2_000 },
    );
    for (let code = 0; code < 0x110000; code++) {
      if (code >= 0xd800 && code < 0xe000) continue;
      const character = String.fromCodePoint(code);
      const folded = fold(character);
      const same = [folded, character.toUpperCase(), character.toLowerCase()].map(fold);
      if (same.some((other) => other !== folded)) expect([code, same]).toEqual([code, folded]);
    }
  });

  it.each([
    ['Alice@Example.COM', 'alice@example.com'],
    ['alice@BÜCHER.example', 'alice@xn--bcher-kva.example'],
    ['STRASSE@straße.example', 'strasse@xn--strae-oqa.example'],
    ['"a@B"@example.com', '"a@b"@example.com'],
    ['nobody@', 'nobody@'],
    ['a@not a domain', 'a@not a domain'],
  ])('given the address %j, then it is %j', (address, folded) => {
    expect(foldEmail(address)).toBe(folded);
    expect(foldEmail(folded)).toBe(folded);
  });
});
