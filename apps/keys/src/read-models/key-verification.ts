import { timingSafeEqual } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { Clock } from '#kernel';
import { CLOCK, hashApiKey, type PlatformAccess, parseApiKey, UserDirectory } from '#platform';
import type { Refusal } from '../http/key.dto.js';
import { KeyUses } from './key-uses.js';
import { statusOf } from './keys.js';
import { KitScopes } from './kit-scopes.js';
import { type KnownKey, KnownKeys } from './known-keys.js';

export type Verification =
  | { valid: true; key_id: string; user_id: string; tenant_id: string; scopes: readonly string[] }
  | { valid: false; code: Refusal };

const refused = (code: Refusal): Verification => ({ valid: false, code });

/** Who asks: the platform, and the only tenant that it may know of, if that is so. */
export type Verifier = Pick<PlatformAccess, 'platformId' | 'onlyTenantId'>;

/** Tells whose key it is and whether it holds just now. */
@Injectable()
export class KeyVerification {
  constructor(
    private readonly knownKeys: KnownKeys,
    private readonly users: UserDirectory,
    private readonly kitScopes: KitScopes,
    private readonly uses: KeyUses,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /**
   * A key of another platform, or of a tenant that the verifier may not know of, is `unknown`, as one that does not
   * exist; the tenant that the verifier acts in does not matter. A key of a deleted user is `revoked`.
   */
  async verify(verifier: Verifier, rawKey: string, scope: string | undefined): Promise<Verification> {
    const key = await this.find(verifier, rawKey);
    if (!key) return refused('unknown');
    const now = this.clock.now().toISOString();
    const status = statusOf(key, now);
    if (status !== 'active') return refused(status);
    const user = await this.users.find(key.tenantId, key.userId);
    if (!user) return refused('revoked');
    if (user.status !== 'active') return refused('user_inactive');
    const governed = { platformId: key.platformId, accountKitId: user.accountKitId };
    const scopes = await this.kitScopes.remaining(governed, key.scopes);
    if (scope !== undefined && !scopes.includes(scope)) return refused('insufficient_scope');
    this.uses.note(key, now);
    return { valid: true, key_id: key.id, user_id: key.userId, tenant_id: key.tenantId, scopes };
  }

  private async find(verifier: Verifier, rawKey: string): Promise<KnownKey | undefined> {
    // The checksum tells a mistyped key without a look-up.
    if (parseApiKey(rawKey)?.kind !== 'user') return undefined;
    const hash = hashApiKey(rawKey);
    const key = await this.knownKeys.find(hash);
    if (!key || key.platformId !== verifier.platformId) return undefined;
    if (verifier.onlyTenantId !== null && verifier.onlyTenantId !== key.tenantId) return undefined;
    return timingSafeEqual(key.hash, Buffer.from(hash, 'hex')) ? key : undefined;
  }
}
