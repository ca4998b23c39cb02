import { setTimeout as sleep } from 'node:timers/promises';
import { isTenantryError } from '#kernel';

export interface RetryPolicy {
  /** Tries of one message before it is dead-lettered, the first one included. */
  maxAttempts: number;
  /** Doubles with each further try. */
  firstDelayMs: number;
  /** A part that is down is asked again this often, until it answers. */
  maxDelayMs: number;
}

export const DEFAULT_RETRY_POLICY: RetryPolicy = { maxAttempts: 5, firstDelayMs: 50, maxDelayMs: 5_000 };

/**
 * Whether the same message may fare better later. A part that is down is waited for without end; a conflict
 * and an error nobody foresaw get a bounded number of tries; every other refusal would only be repeated.
 */
export function shouldRetry(error: unknown, attempt: number, policy: RetryPolicy): boolean {
  if (isTenantryError(error) && error.kind === 'unavailable') return true;
  if (isTenantryError(error) && error.kind !== 'conflict') return false;
  return attempt < policy.maxAttempts;
}

/** A name for the error that is safe to store: its code or its class, never its text. */
export function errorName(error: unknown): string {
  if (isTenantryError(error)) return error.code;
  return error instanceof Error ? error.constructor.name || 'Error' : 'unknown';
}

/** Waits before try `attempt + 1`; false when `signal` cut it short. */
export async function backOff(attempt: number, policy: RetryPolicy, signal: AbortSignal): Promise<boolean> {
  const delayMs = Math.min(policy.firstDelayMs * 2 ** (attempt - 1), policy.maxDelayMs);
  await sleep(delayMs, undefined, { signal }).catch(() => undefined);
  return !signal.aborted;
}
