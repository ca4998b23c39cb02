import { applyDecorators, SetMetadata } from '@nestjs/common';
import { ApiExtension } from '@nestjs/swagger';
import type { Scope } from './caller.js';

/** Names the scope in the OpenAPI document: one, two joined by ` or `, or `root`. */
export const REQUIRED_SCOPE = 'x-required-scope';

export interface Requirement {
  scope: Scope | undefined;
  /** Another scope that will do as well. */
  orScope?: Scope | undefined;
  root: boolean;
}

export const REQUIREMENT = Symbol('access requirement');
export const PUBLIC: Requirement = { scope: undefined, root: false };

/** The route needs a platform key with this scope, or the other one, or `admin`. */
export const RequireScope = (scope: Scope, orScope?: Scope): MethodDecorator & ClassDecorator =>
  requirement({ scope, orScope, root: false });

/** The route is the operator's: only the root key may call it. */
export const RequireRoot = (): MethodDecorator & ClassDecorator =>
  requirement({ scope: undefined, root: true });

/** The route takes the root key too, beside platform keys with this scope. */
export const RequireScopeOrRoot = (scope: Scope): MethodDecorator & ClassDecorator =>
  requirement({ scope, root: true });

/** The route is open to anyone: health, metrics, documents. */
export const Public = (): MethodDecorator & ClassDecorator => SetMetadata(REQUIREMENT, PUBLIC);

function requirement(value: Requirement): MethodDecorator & ClassDecorator {
  const { scope, orScope, root } = value;
  const scopes = [scope, orScope, root && 'root'].filter(Boolean).join(' or ');
  return applyDecorators(
    SetMetadata(REQUIREMENT, value),
    ApiExtension(REQUIRED_SCOPE, scopes),
  ) as MethodDecorator & ClassDecorator;
}
