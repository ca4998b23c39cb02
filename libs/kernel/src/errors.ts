/** The closed set of error kinds. HTTP statuses and bus decisions (retry or dead-letter) follow from the kind. */
export type ErrorKind =
  | 'invalid_input'
  | 'not_found'
  | 'duplicate_record'
  | 'illegal_state'
  | 'conflict'
  | 'unauthorized'
  | 'forbidden'
  | 'unavailable';

/** The literal codes of the public contract; a kind without a finer code is its own code. */
export type ErrorCode =
  | ErrorKind
  | 'over_budget'
  | 'idempotency_conflict'
  | 'revision_mismatch'
  | 'payload_too_large'
  | 'method_not_allowed'
  | 'rate_limited'
  | 'projection_behind';

/** One field that was refused. `field` is the name the caller used, dotted for nested ones. */
export interface FieldError {
  field: string;
  message: string;
}

export interface ErrorDetails {
  code?: ErrorCode;
  errors?: FieldError[];
  /** The id of the record that is in the way (`duplicate_record`). */
  existingId?: string;
  /** The scope that the caller's key lacks (`forbidden`). */
  requiredScope?: string;
  retryAfterSeconds?: number;
  /** The caller alone is told of it. */
  unlogged?: true;
  cause?: unknown;
}

/**
 * An error that the caller can act on. Its message and fields are shown to callers, logged and dead-lettered,
 * so they never carry the values that were sent, secrets or personal data.
 */
export class TenantryError extends Error {
  override readonly name = 'TenantryError';
  readonly code: ErrorCode;

  constructor(
    readonly kind: ErrorKind,
    detail: string,
    readonly details: ErrorDetails = {},
  ) {
    super(detail, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = details.code ?? kind;
  }
}

export const isTenantryError = (error: unknown): error is TenantryError => error instanceof TenantryError;

export const invalidInput = (field: string, message: string): TenantryError =>
  new TenantryError('invalid_input', `${field}: ${message}`, { errors: [{ field, message }] });

/** One wording for missing and foreign things alike, so that an answer tells nothing of other tenants. */
export const notFound = (what: string): TenantryError => new TenantryError('not_found', `${what} not found`);

/** The thing itself. Throws `not_found` where there is none. */
export function found<Thing>(thing: Thing | undefined, what: string): Thing {
  if (thing === undefined) throw notFound(what);
  return thing;
}

export const illegalState = (detail: string, details: ErrorDetails = {}): TenantryError =>
  new TenantryError('illegal_state', detail, details);

export const unavailable = (detail: string, details: ErrorDetails = {}): TenantryError =>
  new TenantryError('unavailable', detail, { retryAfterSeconds: 1, ...details });
