import { timingSafeEqual } from 'node:crypto';
import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Clock, invalidInput, isId, notFound, TenantryError } from '#kernel';
import { Position } from '../http/position.js';
import type { Settings } from '../settings.js';
import { CLOCK, SETTINGS } from '../tokens.js';
import { hashApiKey, parseApiKey } from './api-key.js';
import { type Caller, type PlatformAccess, PlatformKeys, type Scope } from './caller.js';
import { RequestLimits } from './request-limits.js';
import { PUBLIC, REQUIREMENT, type Requirement } from './requirement.js';

const unauthorized = () => new TenantryError('unauthorized', 'a valid API key is required');

export type TenantryRequest = FastifyRequest & {
  caller?: Caller;
  /** Gives up the request's place among those in work; for answers that stay open. */
  leaveTurn?: () => void;
};

/** Finds out who is calling and refuses what the key may not do. A route without a requirement is refused. */
@Injectable()
export class AccessGuard implements CanActivate {
  private readonly rootKeyHash: Buffer;

  constructor(
    private readonly reflector: Reflector,
    private readonly platformKeys: PlatformKeys,
    private readonly position: Position,
    private readonly limits: RequestLimits,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(SETTINGS) settings: Settings,
  ) {
    this.rootKeyHash = Buffer.from(hashApiKey(settings.rootKey), 'hex');
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (context.getType() !== 'http') return true;
    const needed = this.reflector.getAllAndOverride<Requirement | undefined>(REQUIREMENT, [
      context.getHandler(),
      context.getClass(),
    ]);
    if (!needed)
      throw new Error(`route ${context.getClass().name}.${context.getHandler().name} has no scope`);
    if (needed === PUBLIC) return true;
    const request = context.switchToHttp().getRequest<TenantryRequest>();
    request.caller = await this.identify(request, needed);
    // Before the turn, so that nobody holds a place while it waits for a position far ahead.
    await this.position.awaitMinimum(request.headers['tenantry-min-position']);
    const { raw } = context.switchToHttp().getResponse<FastifyReply>();
    request.leaveTurn = await this.limits.takeTurn(request.caller.access?.tenant.id ?? 'root', raw);
    return true;
  }

  private async identify(request: TenantryRequest, needed: Requirement): Promise<Caller> {
    const key = presentedKey(request);
    const kind = key === undefined ? undefined : parseApiKey(key)?.kind;
    if (key === undefined || kind === undefined) throw unauthorized();
    const keyHash = hashApiKey(key);
    const tenantId = requestedTenant(request);
    if (kind === 'root') return this.identifyRoot(keyHash, request.id, needed);
    if (kind === 'user') throw lacksScope(needed.scope);
    const access = await this.admit(keyHash, tenantId);
    if (!needed.scope) throw lacksScope(undefined);
    if (!access.scopes.some((held) => held === needed.scope || held === needed.orScope || held === 'admin')) {
      throw lacksScope(needed.scope);
    }
    return { actor: { type: 'platform_key', id: access.keyId }, requestId: request.id, access };
  }

  /** What the key stands for, and one request of its share. Nobody else can use that up: unknown keys don't count. */
  private async admit(keyHash: string, tenantId: string | undefined): Promise<PlatformAccess> {
    const access = await this.platformKeys.resolve(keyHash, tenantId);
    if (access === 'unknown') throw unauthorized();
    if (access === 'no_tenant') {
      await this.limits.count(keyHash, undefined);
      throw notFound('tenant');
    }
    if (access.expiresAt !== null && Date.parse(access.expiresAt) <= this.clock.now().getTime())
      throw unauthorized();
    await this.limits.count(keyHash, access.tenant.id);
    return access;
  }

  private identifyRoot(keyHash: string, requestId: string, needed: Requirement): Caller {
    if (!timingSafeEqual(Buffer.from(keyHash, 'hex'), this.rootKeyHash)) throw unauthorized();
    if (!needed.root && needed.scope) throw lacksScope(needed.scope);
    return { actor: { type: 'root_key', id: 'root' }, requestId, access: undefined };
  }
}

function presentedKey(request: TenantryRequest): string | undefined {
  const { authorization } = request.headers;
  const single = request.headers['x-api-key'];
  if (authorization === undefined) return typeof single === 'string' ? single : undefined;
  return /^Bearer (\S+)$/i.exec(authorization)?.[1];
}

function requestedTenant(request: TenantryRequest): string | undefined {
  const header = request.headers['x-tenant-id'];
  if (header === undefined) return undefined;
  if (typeof header !== 'string' || !isId(header.toLowerCase()))
    throw invalidInput('X-Tenant-Id', 'must be a UUID');
  return header.toLowerCase();
}

/** What a route asks beyond its own scope, for one way of using it. Throws `forbidden`. */
export function requireScope({ scopes }: PlatformAccess, scope: Scope): void {
  if (!scopes.includes(scope) && !scopes.includes('admin')) throw lacksScope(scope);
}

/** Without a scope it is the operator's own key that is needed. */
function lacksScope(scope: Scope | undefined): TenantryError {
  if (!scope) return new TenantryError('forbidden', 'the root key is required');
  return new TenantryError('forbidden', `the API key lacks the scope ${scope}`, { requiredScope: scope });
}
