import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { formatUsd, parseUsd } from './money.js';

describe('amounts in USD', () => {
  it.each([
    ['12.50', 12_500_000],
    ['0', 0],
    ['0.000001', 1],
    ['999999999.999999', 999_999_999_999_999],
    [12.5, 12_500_000],
    [7, 7_000_000],
  ])('reads %p as %d micro-USD', (given, expected) => {
    expect(parseUsd(given, 'amount_usd')).toBe(expected);
  });

  it.each([
    '',
    '-1',
    '1.',
    '.5',
    '1.2345678',
    '1e3',
    'abc',
    ' 1',
    '1 ',
    '١',
    1e-7,
    Number.NaN,
    1e21,
    '1000000000',
  ])('refuses %p by the name of the field', (given) => {
    expect(() => parseUsd(given, 'amount_usd')).toThrow(
      expect.objectContaining({
        code: 'invalid_input',
        details: { errors: [expect.objectContaining({ field: 'amount_usd' })] },
      }),
    );
  });

  it.each([
    [12_500_000, '12.50'],
    [0, '0.00'],
    [1, '0.000001'],
    [-1_250_000, '-1.25'],
    [1_234_560, '1.23456'],
  ])('shows %d micro-USD as %p', (given, expected) => {
    expect(formatUsd(given)).toBe(expected);
  });

  it('reads what it shows', () => {
    fc.assert(
      fc.property(fc.nat({ max: 999_999_999_999_999 }), (amount) => {
        expect(parseUsd(formatUsd(amount), 'amount_usd')).toBe(amount);
      }),
    );
  });
});
