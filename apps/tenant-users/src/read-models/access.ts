import { Inject, Injectable } from '@nestjs/common';
import type { Kysely } from 'kysely';
import { LRUCache } from 'lru-cache';
import { Aggregates } from '#event-store';
import { unavailable } from '#kernel';
import {
  LogAnswers,
  type PlatformAccess,
  PlatformKeys,
  ProjectionCache,
  READ_DATABASE,
  ReadModels,
  type Scope,
} from '#platform';
import { prepareQuery, type ReadDatabase, type SlotOf } from '#projections';
import { platform } from '../domain/platform.js';
import { platformKey } from '../domain/platform-key.js';
import { tenant } from '../domain/tenant.js';
import { ACCESS } from './access.projection.js';
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

/** Revoked or not: whose key it is never changes. */
const findId = (database: ReadDatabase) =>
  prepareQuery(database, (db: Kysely<AccessTables>, slot: SlotOf<{ keyHash: string }>) =>
    db.selectFrom('platform_keys').select('id').where('key_hash', '=', slot('keyHash')),
  );

const findTenant = (database: ReadDatabase) =>
  prepareQuery(database, (db: Kysely<AccessTables>, slot: SlotOf<{ id: string; platformId: string }>) =>
    db
      .selectFrom('tenants')
      .select(['id', 'default_user_id as defaultUserId'])
      .where('id', '=', slot('id'))
      .where('platform_id', '=', slot('platformId')),
  );

const MAX_REMEMBERED = 10_000;

type Resolved = PlatformAccess | 'unknown' | 'no_tenant';

/** Answers who a platform key stands for. */
@Injectable()
export class Access extends PlatformKeys {
  private readonly findKey: ReturnType<typeof findKey>;
  private readonly findId: ReturnType<typeof findId>;
  private readonly findTenant: ReturnType<typeof findTenant>;

  /** Each request asks for one. */
  private readonly resolved: ProjectionCache<PlatformAccess>;
  /** Ids of keys by their hashes: where the log has what it can't be searched for. */
  private readonly ids = new LRUCache<string, string>({ max: MAX_REMEMBERED });

  constructor(
    @Inject(READ_DATABASE) database: ReadDatabase,
    private readonly readModels: ReadModels,
    private readonly aggregates: Aggregates,
    private readonly log: LogAnswers,
  ) {
    super();
    const access = database.of(ACCESS);
    this.resolved = new ProjectionCache([readModels.changesOf(ACCESS)]);
    this.findKey = findKey(access);
    this.findId = findId(access);
    this.findTenant = findTenant(access);
  }

  /** Throws `unavailable` while the read model is away or behind, for a key that it does not know and this process neither. */
  async resolve(keyHash: string, tenantId?: string): Promise<Resolved> {
    const name = `${keyHash}:${tenantId ?? ''}`;
    const inLog = () => this.recall(keyHash, tenantId);
    const found = await this.log.lookUp(
      [ACCESS],
      () => this.resolved.get(name, () => this.read(keyHash, tenantId)),
      inLog,
    );
    // What was made while the read model was away may not have come to it yet.
    return typeof found === 'string' && this.ids.has(keyHash) ? inLog() : found;
  }

  /** The key that was just issued: it can be used before the read model knows of it. */
  remember(keyHash: string, keyId: string): void {
    this.ids.set(keyHash, keyId);
  }

  private async recall(keyHash: string, tenantId?: string): Promise<Resolved> {
    const keyId = await this.keyId(keyHash);
    if (keyId === undefined) return 'unknown';
    const { state: key } = await this.aggregates.load(platformKey, keyId);
    if (key.lifecycle !== 'active' || key.key_hash !== keyHash) return 'unknown';
    const { platform_id: platformId, tenant_id: onlyTenantId } = key;
    const { state: owner } = await this.aggregates.load(platform, platformId);
    if (owner.lifecycle !== 'alive') return 'unknown';
    const id = onlyTenantId ?? tenantId ?? owner.default_tenant_id;
    const { state: found } = await this.aggregates.load(tenant, id);
    if (found.lifecycle !== 'alive' || found.platform_id !== platformId) {
      return onlyTenantId === null ? 'no_tenant' : 'unknown';
    }
    if (tenantId !== undefined && tenantId !== id) return 'no_tenant';
    return {
      keyId,
      platformId,
      scopes: key.scopes as Scope[],
      onlyTenantId,
      expiresAt: key.expires_at,
      defaultAccountKitId: owner.default_account_kit_id,
      tenant: { id, defaultUserId: found.default_user_id },
    };
  }

  private async read(keyHash: string, tenantId?: string): Promise<Resolved> {
    const [key] = await this.findKey({ keyHash });
    if (!key) return 'unknown';
    this.remember(keyHash, key.keyId);
    const { defaultTenantId, scopes, ...access } = key;
    const { onlyTenantId } = access;
    const { platformId } = key;
    const [tenant] = await this.findTenant({ id: onlyTenantId ?? tenantId ?? defaultTenantId, platformId });
    // A key that was issued while its only tenant was being deleted is as good as revoked.
    if (!tenant) return onlyTenantId === null ? 'no_tenant' : 'unknown';
    if (tenantId !== undefined && tenantId !== tenant.id) return 'no_tenant';
    return { ...access, scopes: JSON.parse(scopes) as Scope[], tenant };
  }

  /** Of a key that was ever issued, revoked or not. Throws `unavailable` where nobody can tell. */
  async keyId(keyHash: string): Promise<string | undefined> {
    const remembered = this.ids.get(keyHash);
    if (remembered !== undefined) return remembered;
    if (this.log.isAway) throw unavailable('keys cannot be looked up just now');
    const [key] = await this.findId({ keyHash });
    if (key) this.remember(keyHash, key.id);
    else this.readModels.require(ACCESS);
    return key?.id;
  }

  async hasTenant(platformId: string, tenantId: string): Promise<boolean> {
    const inReadModel = async () =>
      (await this.findTenant({ id: tenantId, platformId })).length > 0 || undefined;
    return this.log.lookUp([ACCESS], inReadModel, async () => {
      const { state } = await this.aggregates.load(tenant, tenantId);
      return state.lifecycle === 'alive' && state.platform_id === platformId;
    });
  }
}
