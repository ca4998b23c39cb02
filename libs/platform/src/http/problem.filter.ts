import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type ErrorCode, type ErrorKind, invalidInput, isTenantryError, TenantryError } from '#kernel';
import type { TenantryRequest } from '../access/access.guard.js';
import { AppLogger } from '../operations/logger.js';

const STATUS_BY_KIND: Record<ErrorKind, number> = {
  invalid_input: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  duplicate_record: 409,
  illegal_state: 409,
  conflict: 409,
  unavailable: 503,
};
const STATUS_BY_CODE: Partial<Record<ErrorCode, number>> = {
  revision_mismatch: 412,
  payload_too_large: 413,
  method_not_allowed: 405,
  rate_limited: 429,
};

export const TITLES: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

/** What the HTTP engine refuses before a handler runs, by status; Nest keeps no finer code of it. */
const ENGINE_ERRORS: Record<number, () => TenantryError> = {
  400: () => badBody('must be valid JSON'),
  404: () => new TenantryError('not_found', 'route not found'),
  413: () =>
    new TenantryError('invalid_input', 'the body is larger than 256 KiB', {
      code: 'payload_too_large',
      errors: [{ field: 'body', message: 'must be at most 256 KiB' }],
    }),
  415: () => badBody('must be JSON, with content-type application/json'),
};

const badBody = (message: string) =>
  new TenantryError('invalid_input', `the body ${message}`, { errors: [{ field: 'body', message }] });

/** RFC 9457 problem details: the one place where errors become HTTP. */
export function problemOf(error: TenantryError, requestId: string): { status: number; body: object } {
  const status = STATUS_BY_CODE[error.code] ?? STATUS_BY_KIND[error.kind];
  const { errors, existingId, requiredScope } = error.details;
  return {
    status,
    body: {
      type: `urn:tenantry:problem:${error.code}`,
      title: TITLES[status],
      status,
      code: error.code,
      detail: error.message,
      ...(errors && { errors }),
      ...(existingId && { existing_id: existingId }),
      ...(requiredScope && { required_scope: requiredScope }),
      request_id: requestId,
    },
  };
}

/** Answers a URL that no route can take, and that therefore reaches no filter. */
export function sendBadUrl(error: { code: string }, request: FastifyRequest, reply: FastifyReply): void {
  const tooLong = error.code === 'FST_ERR_MAX_PARAM_LENGTH';
  const message = tooLong ? 'has a part that is too long' : 'must be percent-encoded UTF-8';
  sendProblem(invalidInput('url', message), request, reply);
}

/** Answers an error outside of Nest's routes. */
export function sendProblem(error: TenantryError, request: FastifyRequest, reply: FastifyReply): void {
  const { status, body } = problemOf(error, request.id);
  reply.status(status).header('x-request-id', request.id);
  reply.header('content-type', 'application/problem+json').send(JSON.stringify(body));
}

@Catch()
@Injectable()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly logger: AppLogger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    if (host.getType() !== 'http') throw error;
    const request = host.switchToHttp().getRequest<TenantryRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const known = this.known(error);
    if (!known || (known.code === 'unavailable' && !known.details.unlogged)) {
      this.logger.failure(error, { requestId: request.id, route: request.routeOptions?.url });
    }
    const { status, body } = known
      ? problemOf(known, request.id)
      : { status: 500, body: internalProblem(request.id) };
    if (known?.details.retryAfterSeconds !== undefined) {
      reply.header('retry-after', String(known.details.retryAfterSeconds));
    }
    reply.status(status).header('content-type', 'application/problem+json').send(JSON.stringify(body));
  }

  private known(error: unknown): TenantryError | undefined {
    if (isTenantryError(error)) return error;
    const status = error instanceof HttpException ? error.getStatus() : undefined;
    const refusal = status === undefined ? undefined : ENGINE_ERRORS[status];
    if (refusal) return refusal();
    return undefined;
  }
}

const internalProblem = (requestId: string) => ({
  type: 'urn:tenantry:problem:internal_error',
  title: TITLES[500],
  status: 500,
  code: 'internal_error',
  detail: 'something went wrong on our side; it has been logged under the request_id',
  request_id: requestId,
});
