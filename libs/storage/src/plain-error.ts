import { type ErrorKind, isTenantryError, TenantryError } from '#kernel';
import type { PlainError } from './protocol.js';

/** An error may hold what no other thread can take; its cause stays where it was thrown. */
export function plainError(error: unknown): PlainError {
  if (!isTenantryError(error)) return { message: error instanceof Error ? error.message : String(error) };
  const { cause: _, ...details } = error.details;
  return { message: error.message, kind: error.kind, details: { ...details, code: error.code } };
}

export const thrownError = ({ message, kind, details }: PlainError): Error =>
  kind === undefined ? new Error(message) : new TenantryError(kind as ErrorKind, message, details);
