import { describe, expect, it } from '@jest/globals';
import { type Account, balanceOf, monthEnd, monthStart, remainingOf, rolledOver } from './account.js';

const spent = (account: Partial<Account> = {}): Account => ({
  limit_micro_usd: 25_000_000,
  period: 'monthly',
  period_started_at: '2028-02-01T00:00:00.000Z',
  spent_micro_usd: 10_000_000,
  credited_micro_usd: 0,
  held_micro_usd: 2_000_000,
  ...account,
});

describe('a calendar month in UTC', () => {
  it.each([
    ['2027-04-30T23:59:59.999Z', '2027-04-01', '2027-05-01'],
    ['2027-12-31T23:59:59.999Z', '2027-12-01', '2028-01-01'],
    ['2028-01-31T12:00:00.000Z', '2028-01-01', '2028-02-01'],
    ['2028-02-29T00:00:00.000Z', '2028-02-01', '2028-03-01'],
    ['2027-02-28T23:59:59.999Z', '2027-02-01', '2027-03-01'],
    ['2028-03-01T00:00:00.000Z', '2028-03-01', '2028-04-01'],
  ])('given %s, goes from %s to %s', (at, start, end) => {
    expect(monthStart(at)).toBe(`${start}T00:00:00.000Z`);
    expect(monthEnd(at)).toBe(`${end}T00:00:00.000Z`);
  });
});

describe('an account', () => {
  it.each([
    ['within the limit', 25_000_000, 5_000_000, 5_000_000],
    ['above the limit', 27_000_000, 5_000_000, 3_000_000],
    ['of all there is', 30_000_000, 5_000_000, 0],
    ['above a limit that was lowered', 90_000_000, 5_000_000, 0],
  ])(
    'given spends %s and credits, when a month begins, then what is left of the credits stays',
    (_, ...sums) => {
      const [spent_micro_usd, credited_micro_usd, left] = sums;
      const rolled = rolledOver(spent({ spent_micro_usd, credited_micro_usd }), '2028-03-01T00:00:00.000Z');
      expect(rolled).toMatchObject({ spent_micro_usd: 0, credited_micro_usd: left });
    },
  );

  it('given credits, has them left too', () => {
    expect(remainingOf(spent({ credited_micro_usd: 1 }))).toBe(13_000_001);
  });

  it('given spends and holds, has the rest left', () => {
    expect(balanceOf(spent())).toBe(13_000_000);
    expect(remainingOf(spent())).toBe(13_000_000);
  });

  it('given a limit below what is spent, has nothing left, and a balance below zero', () => {
    const account = spent({ limit_micro_usd: 5_000_000 });
    expect(remainingOf(account)).toBe(0);
    expect(balanceOf(account)).toBe(-7_000_000);
  });

  it('given the last instant of the leap day, when read then, counts what was spent', () => {
    expect(rolledOver(spent(), '2028-02-29T23:59:59.999Z')).toEqual(spent());
  });

  it('given the first instant of the next month, then nothing is spent but holds stay', () => {
    const rolled = rolledOver(spent(), '2028-03-01T00:00:00.000Z');
    expect(rolled).toEqual(spent({ spent_micro_usd: 0, period_started_at: '2028-03-01T00:00:00.000Z' }));
  });

  it('given months without a command, then the new period is that of the reading', () => {
    const rolled = rolledOver(spent(), '2029-01-31T08:00:00.000Z');
    expect(rolled.period_started_at).toBe('2029-01-01T00:00:00.000Z');
  });

  it('given a clock that went back a month, then the period stays', () => {
    expect(rolledOver(spent(), '2028-01-31T23:59:59.999Z')).toEqual(spent());
  });

  it('given no period, then time changes nothing', () => {
    const account = spent({ period: 'none' });
    expect(rolledOver(account, '2030-01-01T00:00:00.000Z')).toEqual(account);
  });
});
