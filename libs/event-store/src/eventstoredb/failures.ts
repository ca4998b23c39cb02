import { TenantryError, unavailable } from '#kernel';
import type { ExpectedRevision } from '../event-store.js';

/** A refusal that another try would only meet again. */
export class Refused extends Error {
  override readonly name = 'Refused';
}

/** What the server answered an append that expected another revision. */
export class WrongRevision extends Error {
  override readonly name = 'WrongRevision';
  constructor(readonly actual: ExpectedRevision) {
    super(`the stream is at ${actual}`);
  }
}

export class AccessDenied extends Refused {}

/** No answer came in time; what was asked for may have been done all the same. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

/** A stream of answers came to its regular end. */
export class StreamEnded extends Error {
  override readonly name = 'StreamEnded';
}

export const tooLarge = (): TenantryError =>
  new TenantryError('invalid_input', 'the events of one append are larger than 1 MiB', {
    code: 'payload_too_large',
  });

/** As gRPC's errors are; the client's own have no metadata, and some of them no code. */
interface StatusError {
  code?: number;
  metadata?: { get(name: string): (string | Buffer)[] };
}

const INVALID_ARGUMENT = 3;
const NOT_FOUND = 5;
const PERMISSION_DENIED = 7;
const UNAUTHENTICATED = 16;

/** What kind of failure the server named in the trailers of a call. */
const exceptionOf = (error: unknown): string =>
  String((error as StatusError).metadata?.get('exception')[0] ?? '');

/** The failure of a call in our own terms; whatever is not known to be final may be tried again. */
export function failureOf(error: unknown): unknown {
  const { code } = error as StatusError;
  const exception = exceptionOf(error);
  if (exception === 'not-leader') return error;
  if (exception === 'maximum-append-size-exceeded') return tooLarge();
  if (code === PERMISSION_DENIED || code === UNAUTHENTICATED || exception === 'access-denied') {
    return new AccessDenied('the user name or the password is refused, or may not do this', { cause: error });
  }
  const isFinal = code === INVALID_ARGUMENT || (code === NOT_FOUND && exception !== '');
  return isFinal ? new Refused('the event log refuses the request', { cause: error }) : error;
}

export const isTransient = (error: unknown): boolean =>
  !(error instanceof Refused || error instanceof WrongRevision || error instanceof TenantryError);

export const outOfReach = (cause: unknown): TenantryError =>
  unavailable('the event log cannot be reached', { cause });

/** For the log: what went wrong, without anything that was sent. */
export const describeFailure = (error: unknown): { error: string } => {
  const { name, message } = error instanceof Error ? error : { name: 'Error', message: String(error) };
  return { error: `${name}: ${message}`.slice(0, 300) };
};
