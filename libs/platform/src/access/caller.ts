import { type Actor, type MicroUsd, notFound } from '#kernel';

export const SCOPES = [
  'users:read',
  'users:write',
  'tenants:read',
  'tenants:write',
  'keys:read',
  'keys:write',
  'keys:verify',
  'budgets:read',
  'budgets:write',
  'connections:read',
  'connections:write',
  'vault:read',
  'vault:write',
  'audit:read',
  'admin',
] as const;

export type Scope = (typeof SCOPES)[number];

/** What a platform key stands for, and the tenant it acts in just now. */
export interface PlatformAccess {
  keyId: string;
  platformId: string;
  scopes: readonly Scope[];
  expiresAt: string | null;
  /** The only tenant that the key may act in, and know of; null for all of the platform's. */
  onlyTenantId: string | null;
  tenant: { id: string; defaultUserId: string };
  defaultAccountKitId: string;
}

/** Who is calling, as every handler sees it. A root caller has no tenant. */
export interface Caller {
  actor: Actor;
  requestId: string;
  /** Undefined for the operator's root key. */
  access: PlatformAccess | undefined;
}

/**
 * Resolves platform keys. `tenantId` is the tenant named by the caller, or undefined for the key's own default.
 */
export abstract class PlatformKeys {
  /**
   * `unknown` for a key that does not exist or was revoked; `no_tenant` when the tenant is not one that this
   * key may act in, whether it exists or not.
   */
  abstract resolve(
    keyHash: string,
    tenantId: string | undefined,
  ): Promise<PlatformAccess | 'unknown' | 'no_tenant'>;
}

/** A user as other services may know it; undefined once deleted, and in any tenant but its own. */
export interface KnownUser {
  status: 'active' | 'suspended' | 'inactive' | 'archived';
  accountKitId: string;
  /** RFC 3339 UTC. */
  createdAt: string;
  /** The budget that the user has from the start; null for none. */
  openingBudget: BudgetTerms | null;
}

export interface BudgetTerms {
  limit: MicroUsd;
  period: 'monthly' | 'none';
}

/** What an account kit lays down for its users. */
export interface KitTerms {
  /** The scopes that keys may have; null for any. */
  keyScopes: string[] | null;
  rateLimits: { [name: string]: { limit: number; windowSeconds: number } };
  /** The providers that may be connected; null for any. */
  allowedProviders: string[] | null;
}

/** Account kits as all services may know them. Look-ups are keyed by (platform, id). */
export abstract class AccountKitDirectory {
  abstract find(platformId: string, accountKitId: string): Promise<KitTerms | undefined>;
}

/** Whose something is; each look-up is keyed by both. */
export interface Owner {
  tenantId: string;
  userId: string;
}

/** The downstream services' view of the users. Look-ups are keyed by (tenant, id). */
export abstract class UserDirectory {
  abstract find(tenantId: string, userId: string): Promise<KnownUser | undefined>;

  /** Throws `not_found` unless the tenant has this user. */
  async require(tenantId: string, userId: string): Promise<KnownUser> {
    const user = await this.find(tenantId, userId);
    if (!user) throw notFound('user');
    return user;
  }

  /** Throws what `require` throws. */
  async owner({ tenant }: PlatformAccess, userId: string): Promise<Owner> {
    await this.require(tenant.id, userId);
    return { tenantId: tenant.id, userId };
  }
}
