import { type ErrorKind, isTenantryError, TenantryError } from '#kernel';
import { errorName } from '#worker/projections';
import type { PlainError } from './protocol.js';

/** An error may hold what no other thread can take; its cause stays where it was thrown. */
export function plainError(error: unknown): PlainError {
  if (!isTenantryError(error)) {
    const message = error instanceof Error ? error.message : String(error);
    return { message, name: errorName(error) };
  }
  const { cause: _, ...details } = error.details;
  return { message: error.message, kind: error.kind, details: { ...details, code: error.code } };
}

export const thrownError = ({ message, name, kind, details }: PlainError): Error =>
  kind === undefined
    ? Object.assign(new Error(message), { name })
    : new TenantryError(kind as ErrorKind, message, details);
