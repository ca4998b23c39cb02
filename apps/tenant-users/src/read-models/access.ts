import { Inject, Injectable } from '@nestjs/common';
import type { Kysely } from 'kysely';
import { LRUCache } from 'lru-cache';
import { type PlatformAccess, PlatformKeys, READ_DATABASE, type Scope } from '#platform';
import { prepareQuery, type ReadDatabase, type SlotOf } from '#projections';
import { AccessProjection } from './access.projection.js';
import type { AccessTables } from './tables.js';

const findKey = (database: ReadDatabase) =>
  prepareQuery(database, (db: Kysely<AccessTables>, slot: SlotOf<{ keyHash: string }>) =>
    db
      .selectFrom('platform_keys')
      .innerJoin('platforms', 'platforms.id', 'platform_keys.platform_id')
      .select([
        'platform_keys.id as keyId',
        'platform_keys.platform_id as platformId',
        'platform_keys.scopes',
        'platform_keys.tenant_id as onlyTenantId',
        'platform_keys.expires_at as expiresAt',
        'platforms.default_tenant_id as defaultTenantId',
        'platforms.default_account_kit_id as defaultAccountKitId',
        'platforms.default_role as defaultRole',
      ])
      .where('platform_keys.key_hash', '=', slot('keyHash'))
      .where('platform_keys.revoked', '=', 0),
  );

const findTenant = (database: ReadDatabase) =>
  prepareQuery(database, (db: Kysely<AccessTables>, slot: SlotOf<{ id: string; platformId: string }>) =>
    db
      .selectFrom('tenants')
      .select(['id', 'default_user_id as defaultUserId'])
      .where('id', '=', slot('id'))
      .where('platform_id', '=', slot('platformId')),
  );

/** Answers who a platform key stands for. */
@Injectable()
export class Access extends PlatformKeys {
  private readonly findKey: ReturnType<typeof findKey>;
  private readonly findTenant: ReturnType<typeof findTenant>;

  /** Resolved keys of one generation of the projection: each request asks for one. */
  private readonly resolved = new LRUCache<string, PlatformAccess>({ max: 10_000 });
  private generation = 0;

  constructor(
    @Inject(READ_DATABASE) private readonly database: ReadDatabase,
    private readonly projection: AccessProjection,
  ) {
    super();
    this.findKey = findKey(database);
    this.findTenant = findTenant(database);
  }

  async resolve(keyHash: string, tenantId?: string): Promise<PlatformAccess | 'unknown' | 'no_tenant'> {
    const { generation } = this.projection;
    if (generation !== this.generation) {
      this.resolved.clear();
      this.generation = generation;
    }
    const name = `${keyHash}:${tenantId ?? ''}`;
    const known = this.resolved.get(name);
    if (known) return known;
    const found = await this.read(keyHash, tenantId);
    // What was read while the projection changed may be out of date already.
    if (typeof found === 'object' && generation === this.projection.generation)
      this.resolved.set(name, found);
    return found;
  }

  private async read(keyHash: string, tenantId?: string): Promise<PlatformAccess | 'unknown' | 'no_tenant'> {
    const [key] = await this.findKey({ keyHash });
    if (!key) return 'unknown';
    const { defaultTenantId, scopes, ...access } = key;
    const { onlyTenantId } = access;
    const { platformId } = key;
    const [tenant] = await this.findTenant({ id: onlyTenantId ?? tenantId ?? defaultTenantId, platformId });
    // A key that was issued while its only tenant was being deleted is as good as revoked.
    if (!tenant) return onlyTenantId === null ? 'no_tenant' : 'unknown';
    if (tenantId !== undefined && tenantId !== tenant.id) return 'no_tenant';
    return { ...access, scopes: JSON.parse(scopes) as Scope[], tenant };
  }

  /** Whether such a key was ever issued, revoked or not. */
  async knowsKey(keyHash: string): Promise<boolean> {
    const keys = this.reader().selectFrom('platform_keys').select('id').where('key_hash', '=', keyHash);
    return (await keys.executeTakeFirst()) !== undefined;
  }

  async hasTenant(platformId: string, tenantId: string): Promise<boolean> {
    return (await this.findTenant({ id: tenantId, platformId })).length > 0;
  }

  async hasAccountKit(platformId: string, kitId: string): Promise<boolean> {
    const kit = await this.reader()
      .selectFrom('account_kits')
      .select('id')
      .where('id', '=', kitId)
      .where('platform_id', '=', platformId)
      .executeTakeFirst();
    return kit !== undefined;
  }

  private reader() {
    return this.database.reader<AccessTables>();
  }
}
