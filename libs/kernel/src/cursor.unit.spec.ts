import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeCursor, encodeCursor, pageOf } from './cursor.js';

describe('cursors', () => {
  it('read back what they name', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (sequence) => {
        expect(decodeCursor(encodeCursor(sequence))).toBe(sequence);
      }),
    );
  });

  it('hold for the order that they were made in alone', () => {
    expect(decodeCursor(encodeCursor(13, 'created_at'), 'created_at')).toBe(13);
    expect(() => decodeCursor(encodeCursor(13, 'created_at'))).toThrow('cursor');
    expect(() => decodeCursor(encodeCursor(13), 'created_at')).toThrow('cursor');
  });

  it('anything else is invalid_input, by the name of the field', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(() => decodeCursor(text)).toThrow(
          expect.objectContaining({
            code: 'invalid_input',
            details: { errors: [{ field: 'cursor', message: expect.any(String) }] },
          }),
        );
      }),
      { examples: [['YWZ0ZXI6MTM='], ['YWZ0ZXI6MTN'], [Buffer.from('after:007').toString('base64url')]] },
    );
  });
});

describe('pages', () => {
  const rows = [9, 8, 7].map((sequence) => ({ sequence }));

  it('a page that was not the last names the next', () => {
    expect(pageOf(rows, 2)).toEqual({ rows: rows.slice(0, 2), next: encodeCursor(8) });
  });

  it('the last page names none', () => {
    expect(pageOf(rows, 3)).toEqual({ rows, next: null });
    expect(pageOf([], 3)).toEqual({ rows: [], next: null });
  });
});
