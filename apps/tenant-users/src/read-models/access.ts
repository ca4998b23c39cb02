import { Inject, Injectable } from '@nestjs/common';
import type { Kysely } from 'kysely';
import { type PlatformAccess, PlatformKeys, ProjectionCache, READ_DATABASE, type Scope } from '#platform';
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

  /** Each request asks for one. */
  private readonly resolved: ProjectionCache<PlatformAccess>;

  constructor(
    @Inject(READ_DATABASE) private readonly database: ReadDatabase,
    projection: AccessProjection,
  ) {
    super();
    this.resolved = new ProjectionCache([projection]);
    this.findKey = findKey(database);
    this.findTenant = findTenant(database);
  }

  resolve(keyHash: string, tenantId?: string): Promise<PlatformAccess | 'unknown' | 'no_tenant'> {
    return this.resolved.get(`${keyHash}:${tenantId ?? ''}`, () => this.read(keyHash, tenantId));
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

  /** Of a key that was ever issued, revoked or not. */
  async keyId(keyHash: string): Promise<string | undefined> {
    const keys = this.reader().selectFrom('platform_keys').select('id').where('key_hash', '=', keyHash);
    return (await keys.executeTakeFirst())?.id;
  }

  async hasTenant(platformId: string, tenantId: string): Promise<boolean> {
    return (await this.findTenant({ id: tenantId, platformId })).length > 0;
  }

  private reader() {
    return this.database.reader<AccessTables>();
  }
}
