import type { OpenAPIObject } from '@nestjs/swagger';
import type { ErrorCode } from '#kernel';
import { TITLES } from './problem.filter.js';

export type SchemaObject = Exclude<
  NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>[string],
  { $ref: string }
>;

export const ID_EXAMPLE = '019a8c5e-7b1a-7c3d-9e4f-0123456789ab';
export const TIME_EXAMPLE = '2026-01-15T10:00:00.000Z';

const text = (example: string): SchemaObject => ({ type: 'string', example });

/** Problem details (RFC 9457) as every error is told. */
export const problemSchema: SchemaObject = {
  type: 'object',
  description: 'Problem details (RFC 9457).',
  required: ['type', 'title', 'status', 'code', 'detail', 'request_id'],
  additionalProperties: false,
  properties: {
    type: text('urn:tenantry:problem:invalid_input'),
    title: text('Bad Request'),
    status: { type: 'integer', example: 400 },
    code: text('invalid_input'),
    detail: text('email: must be an email address'),
    errors: {
      type: 'array',
      description: 'Each field that was refused.',
      items: {
        type: 'object',
        required: ['field', 'message'],
        additionalProperties: false,
        properties: { field: text('email'), message: text('must be an email address') },
      },
      example: [{ field: 'email', message: 'must be an email address' }],
    },
    existing_id: {
      type: 'string',
      format: 'uuid',
      description: 'With duplicate_record.',
      example: ID_EXAMPLE,
    },
    required_scope: { type: 'string', description: 'With forbidden.', example: 'users:write' },
    request_id: { type: 'string', example: ID_EXAMPLE },
  },
};

const DETAILS: Partial<Record<ErrorCode, { detail: string; more?: object }>> = {
  invalid_input: {
    detail: 'email: must be an email address',
    more: { errors: [{ field: 'email', message: 'must be an email address' }] },
  },
  unauthorized: { detail: 'a valid API key is required' },
  forbidden: {
    detail: 'the API key lacks the scope users:write',
    more: { required_scope: 'users:write' },
  },
  not_found: { detail: 'user not found' },
  duplicate_record: {
    detail: 'external_id is taken in this tenant',
    more: {
      errors: [{ field: 'external_id', message: 'is taken in this tenant' }],
      existing_id: ID_EXAMPLE,
    },
  },
  illegal_state: { detail: "the tenant's default user cannot be deleted" },
  over_budget: { detail: 'the amount is above what remains of the budget' },
  idempotency_conflict: { detail: 'this Idempotency-Key was used for another request' },
  conflict: { detail: 'tenantUser is being changed too often at the same time' },
  revision_mismatch: { detail: 'the revision given in If-Match is not the current one' },
  payload_too_large: { detail: 'the body is larger than 256 KiB' },
  rate_limited: { detail: 'too many requests of this key' },
  unavailable: { detail: 'the log is not available' },
  projection_behind: { detail: 'the read models have not reached this position yet' },
};

/** What the filter answers for this code. */
export function problemExample(status: number, code: ErrorCode): object {
  const { detail = '', more } = DETAILS[code] ?? {};
  const title = TITLES[status];
  const type = `urn:tenantry:problem:${code}`;
  return { type, title, status, code, detail, ...more, request_id: ID_EXAMPLE };
}
