import { isNativeError } from 'node:util/types';
import { isTenantryError, type RecordedEvent } from '#kernel';
import type { Logger } from './logger.js';
import type { ProjectionFailure } from './projection.js';

/** The error's code or class name. Never its message, which may quote an event's data. */
export function errorName(error: unknown): string {
  if (isTenantryError(error)) return error.code;
  if (!isNativeError(error)) return typeof error;
  if ('errstr' in error) return `sqlite: ${error.errstr}`;
  return 'code' in error ? String(error.code) : error.name;
}

/** For the log: the error's name, its cause's name, and the stack without the message. */
export function describeError(error: unknown): { error: string; cause?: string; stack?: string } {
  const described = { error: errorName(error) };
  if (!isNativeError(error)) return described;
  const stack = error.stack ?? '';
  return {
    ...described,
    ...(error.cause === undefined ? {} : { cause: errorName(error.cause) }),
    stack: stack.slice(stack.indexOf(error.message) + error.message.length).trim(),
  };
}

/** The database or the log can't be reached just now: the same thing can succeed later. */
export const isUnavailable = (error: unknown): boolean =>
  isTenantryError(error) && error.kind === 'unavailable';

/** Tells the log what stopped a projection. */
export function reportedFailure(
  { position, type: eventType, metadata: { correlationId } }: RecordedEvent,
  cause: unknown,
  { projection, logger }: { projection: string; logger: Logger },
): ProjectionFailure {
  const described = describeError(cause);
  const fields = { projection, position: String(position), eventType, correlationId, ...described };
  logger.error(fields, 'projection stopped: it cannot apply an event');
  return { position, eventType, error: described.error };
}
