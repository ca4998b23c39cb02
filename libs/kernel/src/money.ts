import { invalidInput } from './errors.js';

/** An amount in micro-USD: a safe integer, never a fraction. */
export type MicroUsd = number;

const MICROS_PER_USD = 1_000_000;
/** Keeps sums of any realistic ledger far below Number.MAX_SAFE_INTEGER. */
const MAX_USD = 1_000_000_000;
const AMOUNT = /^(\d{1,10})(?:\.(\d{1,6}))?$/;

/** Reads `"12.50"` or `12.5`; at most 6 decimals, not negative, below 1,000,000,000. Throws `invalid_input`. */
export function parseUsd(value: string | number, field: string): MicroUsd {
  const match = AMOUNT.exec(String(value));
  if (!match) throw invalidInput(field, 'must be an amount in USD such as "12.50" with at most 6 decimals');
  const whole = Number(match[1]);
  if (whole >= MAX_USD) throw invalidInput(field, 'must be below 1000000000');
  return whole * MICROS_PER_USD + Number((match[2] ?? '').padEnd(6, '0'));
}

/** `12500000` → `"12.50"`: two decimals, more only where the amount has them. */
export function formatUsd(amount: MicroUsd): string {
  const sign = amount < 0 ? '-' : '';
  const absolute = Math.abs(amount);
  const fraction = String(absolute % MICROS_PER_USD).padStart(6, '0');
  const shown = fraction.replace(/0+$/, '').padEnd(2, '0');
  return `${sign}${Math.floor(absolute / MICROS_PER_USD)}.${shown}`;
}
