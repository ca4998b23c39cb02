import 'reflect-metadata';
import {
  applyDecorators,
  type CanActivate,
  createParamDecorator,
  type ExecutionContext,
  Injectable,
  type PipeTransform,
  Post,
  UseGuards,
} from '@nestjs/common';
import { ApiHeader } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { invalidInput } from '#kernel';
import type { TenantryRequest } from '../access/access.guard.js';
import { type Answer, IdempotentRequests } from './idempotent-requests.js';

/** Printable ASCII, as HTTP carries it unchanged. */
const SANE_KEY = /^[\x21-\x7e]{1,255}$/;
const ANSWERED_HEADERS = ['location', 'etag', 'tenantry-position'] as const;

/**
 * A POST route that takes an Idempotency-Key (draft-ietf-httpapi-idempotency-key-header). Its handler draws all
 * ids and secrets in the same order each time, before its first write.
 */
export const IdempotentPost = (path?: string): MethodDecorator =>
  applyDecorators(
    answeredOnce,
    UseGuards(OtherRequestGuard),
    Post(path),
    ApiHeader({
      name: 'Idempotency-Key',
      required: false,
      description:
        'Makes the request safe to repeat for 24 hours: the same key and request give the same answer again, and nothing is done twice.',
      schema: { type: 'string', pattern: SANE_KEY.source },
    }),
  );

type Handler = (...args: unknown[]) => Promise<unknown>;
type AnswerOnce = (work: () => Promise<unknown>) => Promise<unknown>;

/** Has the handler run by a further parameter of its own: an interceptor would cost each request without a key 10 µs. */
const answeredOnce: MethodDecorator = (target, name, descriptor: PropertyDescriptor) => {
  const handler: Handler = descriptor.value;
  const given: unknown[] = Reflect.getMetadata('design:paramtypes', target, name);
  RequestAndReply(Repeatability)(target, name, given.length);
  descriptor.value = function (this: unknown, ...args: unknown[]): Promise<unknown> {
    const answerOnce = args.pop() as AnswerOnce;
    return answerOnce(() => handler.apply(this, args));
  };
  // Whoever reads metadata looks for them by the name and on the function.
  Object.defineProperty(descriptor.value, 'name', { value: handler.name });
  for (const key of Reflect.getOwnMetadataKeys(handler)) {
    Reflect.defineMetadata(key, Reflect.getOwnMetadata(key, handler), descriptor.value);
  }
};

/** Parameters are checked before the handler runs, but what the key was used for before counts more than they do. */
@Injectable()
class OtherRequestGuard implements CanActivate {
  constructor(private readonly requests: IdempotentRequests) {}

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const request = context.switchToHttp().getRequest<TenantryRequest>();
    if (request.headers['idempotency-key'] === undefined) return true;
    return this.requests.refuseOther(identified(request)).then(() => true);
  }
}

const RequestAndReply = createParamDecorator((_: unknown, context: ExecutionContext) => {
  const http = context.switchToHttp();
  return { request: http.getRequest<TenantryRequest>(), reply: http.getResponse<FastifyReply>() };
});

@Injectable()
class Repeatability implements PipeTransform<{ request: TenantryRequest; reply: FastifyReply }, AnswerOnce> {
  constructor(private readonly requests: IdempotentRequests) {}

  transform({ request, reply }: { request: TenantryRequest; reply: FastifyReply }): AnswerOnce {
    if (request.headers['idempotency-key'] === undefined) return (work) => work();
    return (work) => this.answerOnce(request, reply, work);
  }

  private async answerOnce(
    request: TenantryRequest,
    reply: FastifyReply,
    work: () => Promise<unknown>,
  ): Promise<unknown> {
    const wanted = identified(request);
    const { status, headers, body, again } = await this.requests.run(wanted, async () => {
      const made = await work();
      return { status: reply.statusCode, headers: answeredHeaders(reply), body: made };
    });
    if (!again) return body;
    reply.status(status).headers(headers).header('idempotency-replayed', 'true');
    return body;
  }
}

function identified(request: TenantryRequest) {
  const key = request.headers['idempotency-key'];
  if (typeof key !== 'string' || !SANE_KEY.test(key)) {
    throw invalidInput('Idempotency-Key', 'must be 1 to 255 printable ASCII characters without spaces');
  }
  const access = request.caller?.access;
  const { id } = request.params as { id?: string };
  const ofUser = request.routeOptions.url?.startsWith('/v1/users/:id') ?? false;
  return {
    owner: access ? [access.platformId, access.tenant.id] : ['root'],
    key,
    asked: [request.method, request.url, canonical(request.body)],
    subjectId: ofUser
      ? ((id === 'default' ? access?.tenant.defaultUserId : id?.toLowerCase()) ?? null)
      : null,
  };
}

/** One text for bodies that differ in the order of their fields alone. */
const canonical = (body: unknown): string =>
  JSON.stringify(body, (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  ) ?? '';

function answeredHeaders(reply: FastifyReply): Answer['headers'] {
  const given = ANSWERED_HEADERS.map((name) => [name, reply.getHeader(name)] as const);
  return Object.fromEntries(
    given.filter((entry): entry is [(typeof entry)[0], string] => typeof entry[1] === 'string'),
  );
}
