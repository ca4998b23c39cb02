import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ApiParam } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { type CommandContext, invalidInput, isId, TenantryError } from '#kernel';
import type { TenantryRequest } from '../access/access.guard.js';
import type { Caller, PlatformAccess } from '../access/caller.js';

const requestOf = (context: ExecutionContext) => context.switchToHttp().getRequest<TenantryRequest>();

function callerOf(request: TenantryRequest): Caller {
  if (!request.caller) throw new Error('a public route has no caller');
  return request.caller;
}

function accessOf(request: TenantryRequest): PlatformAccess {
  const { access } = callerOf(request);
  if (!access) throw new TenantryError('forbidden', 'a platform key is required');
  return access;
}

function contextOf(request: TenantryRequest): CommandContext {
  const { actor, access, requestId } = callerOf(request);
  return {
    platformId: access?.platformId ?? null,
    tenantId: access?.tenant.id ?? null,
    actor,
    correlationId: requestId,
    causationId: requestId,
  };
}

/** Who is calling. */
export const CurrentCaller = createParamDecorator((_: unknown, context: ExecutionContext) =>
  callerOf(requestOf(context)),
);

/** The platform and tenant that the caller's key acts in. */
export const CurrentAccess = createParamDecorator((_: unknown, context: ExecutionContext) =>
  accessOf(requestOf(context)),
);

/** The context that a command of this request runs in. */
export const CurrentContext = createParamDecorator((_: unknown, context: ExecutionContext) =>
  contextOf(requestOf(context)),
);

/** A request that a command is to be executed for. */
export interface Call {
  access: PlatformAccess;
  context: CommandContext;
  reply: FastifyReply;
}

export const CurrentCall = createParamDecorator((_: unknown, context: ExecutionContext): Call => {
  const request = requestOf(context);
  const reply = context.switchToHttp().getResponse<FastifyReply>();
  return { access: accessOf(request), context: contextOf(request), reply };
});

/** Documents the `id` that `UserId` reads. */
export const ByUserId = (): MethodDecorator & ClassDecorator =>
  ApiParam({ name: 'id', description: "The user's id, or `default` for the tenant's default user." });

/** A user's id in the path; `default` names the tenant's default user. Throws `invalid_input`. */
export const UserId = createParamDecorator((_: unknown, context: ExecutionContext): string => {
  const request = requestOf(context);
  const id = (request.params as { id: string }).id;
  return id === 'default' ? accessOf(request).tenant.defaultUserId : idOf(id, 'id');
});

/** Any other id in the path, by its parameter's name. Throws `invalid_input`. */
export const IdParam = createParamDecorator((name: string, context: ExecutionContext): string =>
  idOf((requestOf(context).params as Record<string, string>)[name] ?? '', name),
);

function idOf(value: string, field: string): string {
  const id = value.toLowerCase();
  if (!isId(id)) throw invalidInput(field, 'must be a UUID');
  return id;
}
