import { Injectable } from '@nestjs/common';
import {
  AccountKitDirectory,
  type KitTerms,
  type KnownUser,
  type PlatformAccess,
  PlatformKeys,
  type Scope,
  UserDirectory,
} from '../access/caller.js';
import { Copies } from './copies.js';

@Injectable()
export class CopiedPlatformKeys extends PlatformKeys {
  constructor(private readonly copies: Copies) {
    super();
  }

  async resolve(
    keyHash: string,
    tenantId: string | undefined,
  ): Promise<PlatformAccess | 'unknown' | 'no_tenant'> {
    const found = await this.copies.find('platform_key_hash', keyHash);
    const key = found && (await this.copies.find('platform_key', found.key_id));
    const platform = key && (await this.copies.find('platform', key.platform_id));
    if (!key || !platform) return 'unknown';
    const { platform_id: platformId, tenant_id: onlyTenantId } = key;
    const id = onlyTenantId ?? tenantId ?? platform.default_tenant_id;
    const tenant = await this.copies.find('tenant', id);
    // A key whose only tenant is gone is as good as revoked.
    if (tenant?.platform_id !== platformId) return onlyTenantId === null ? 'no_tenant' : 'unknown';
    if (tenantId !== undefined && tenantId !== id) return 'no_tenant';
    return {
      keyId: key.key_id,
      platformId,
      scopes: key.scopes as Scope[],
      expiresAt: key.expires_at,
      onlyTenantId,
      tenant: { id, defaultUserId: tenant.default_user_id },
      defaultAccountKitId: platform.default_account_kit_id,
    };
  }
}

@Injectable()
export class CopiedUsers extends UserDirectory {
  constructor(private readonly copies: Copies) {
    super();
  }

  async find(tenantId: string, userId: string): Promise<KnownUser | undefined> {
    const user = await this.copies.find('user', userId);
    // A tenant that is being deleted is gone before the last of its users is.
    if (user?.tenant_id !== tenantId || !(await this.copies.find('tenant', tenantId))) return undefined;
    const { status, account_kit_id: accountKitId, created_at: createdAt, opening_budget: budget } = user;
    const openingBudget = budget && { limit: budget.limit_micro_usd, period: budget.period };
    return { status, accountKitId, createdAt, openingBudget };
  }
}

@Injectable()
export class CopiedAccountKits extends AccountKitDirectory {
  constructor(private readonly copies: Copies) {
    super();
  }

  async find(platformId: string, accountKitId: string): Promise<KitTerms | undefined> {
    const kit = await this.copies.find('account_kit', accountKitId);
    if (kit?.platform_id !== platformId) return undefined;
    const limits = Object.entries(kit.rate_limits).map(([name, { limit, window_seconds }]) => [
      name,
      { limit, windowSeconds: window_seconds },
    ]);
    return {
      keyScopes: kit.key_scopes,
      rateLimits: Object.fromEntries(limits),
      allowedProviders: kit.allowed_providers,
    };
  }
}
