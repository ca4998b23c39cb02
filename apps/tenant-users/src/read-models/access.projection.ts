import type { Kysely } from 'kysely';
import { type RecordedEvent, streamId } from '#kernel';
import type { CreateIndex, Projection } from '#worker/projections';
import {
  type AccountKitCreated,
  type AccountKitUpdated,
  type KitPolicy,
  OPEN_POLICY,
} from '../domain/account-kit.js';
import type { PlatformCreated, PlatformUpdated } from '../domain/platform.js';
import type { PlatformKeyIssued } from '../domain/platform-key.js';
import type { TenantCreated, TenantUpdated } from '../domain/tenant.js';
import { createAccessTables } from './access.tables.js';
import type { AccessTables } from './tables.js';

export const ACCESS = 'access';

/** Platforms, their tenants, kits and keys: all that is needed to know who is calling. */
export class AccessProjection implements Projection<AccessTables> {
  readonly name = ACCESS;
  readonly version = 3;
  readonly categories = ['platform', 'tenant', 'accountKit', 'platformKey'];
  readonly tables = ['platforms', 'tenants', 'account_kits', 'platform_keys'] as const;

  createTables({ schema }: Kysely<AccessTables>, createIndex: CreateIndex): Promise<void> {
    return createAccessTables(schema, createIndex);
  }

  async apply(transaction: Kysely<AccessTables>, event: RecordedEvent): Promise<void> {
    const id = streamId(event.stream);
    switch (event.type) {
      case 'platform.created.v1': {
        const { settings, default_user_id: _, ...data } = event.data as unknown as PlatformCreated['data'];
        const placed = { id, sequence: Number(event.position), created_at: event.at };
        await transaction
          .insertInto('platforms')
          .values({ ...data, ...settings, ...placed })
          .execute();
        return;
      }
      case 'platform.updated.v1': {
        const { settings, ...fields } = event.data as unknown as PlatformUpdated['data'];
        const changes = { ...fields, ...settings };
        await transaction.updateTable('platforms').set(changes).where('id', '=', id).execute();
        return;
      }
      case 'tenant.created.v1': {
        const { settings = {}, external_id = null, ...data } = event.data as unknown as TenantCreated['data'];
        const placed = { id, sequence: Number(event.position), created_at: event.at, updated_at: event.at };
        const flags = { is_default: data.is_default ? 1 : 0 };
        await transaction
          .insertInto('tenants')
          .values({ ...data, ...placed, ...flags, external_id, settings: JSON.stringify(settings) })
          .execute();
        return;
      }
      case 'tenant.updated.v1': {
        const { settings, platform_id: _, ...data } = event.data as unknown as TenantUpdated['data'];
        const changes = { ...data, ...(settings && { settings: JSON.stringify(settings) }) };
        await transaction
          .updateTable('tenants')
          .set({ ...changes, updated_at: event.at })
          .where('id', '=', id)
          .execute();
        return;
      }
      case 'tenant.deleted.v1':
      case 'tenant.abandoned.v1':
        await transaction.deleteFrom('tenants').where('id', '=', id).execute();
        // The keys of this tenant alone have nothing left to act in.
        await transaction
          .updateTable('platform_keys')
          .set({ revoked: 1 })
          .where('tenant_id', '=', id)
          .execute();
        return;
      case 'account-kit.created.v1':
        return insertKit(transaction, event);
      case 'account-kit.updated.v1':
        return updateKit(transaction, event);
      case 'account-kit.closing.v1':
      case 'account-kit.reopened.v1':
        return;
      case 'account-kit.deleted.v1':
        await transaction.deleteFrom('account_kits').where('id', '=', id).execute();
        return;
      case 'platform-key.issued.v1': {
        const { scopes, ...data } = event.data as unknown as PlatformKeyIssued['data'];
        const placed = { id, sequence: Number(event.position), created_at: event.at };
        await transaction
          .insertInto('platform_keys')
          .values({ ...data, ...placed, scopes: JSON.stringify(scopes), revoked: 0 })
          .execute();
        return;
      }
      case 'platform-key.revoked.v1':
        await transaction.updateTable('platform_keys').set({ revoked: 1 }).where('id', '=', id).execute();
        return;
      default:
        throw new Error(`${event.type} is not known to ${this.name}`);
    }
  }
}

async function insertKit(transaction: Kysely<AccessTables>, event: RecordedEvent): Promise<void> {
  const id = streamId(event.stream);
  const { platform_id, name, is_default, ...given } = event.data as unknown as AccountKitCreated['data'];
  const placed = { id, sequence: Number(event.position), created_at: event.at, updated_at: event.at };
  const policy = JSON.stringify({ ...OPEN_POLICY, ...given });
  await transaction
    .insertInto('account_kits')
    .values({ ...placed, platform_id, name, is_default: is_default ? 1 : 0, policy })
    .execute();
}

async function updateKit(transaction: Kysely<AccessTables>, event: RecordedEvent): Promise<void> {
  const id = streamId(event.stream);
  const data = event.data as unknown as AccountKitUpdated['data'];
  const row = await transaction
    .selectFrom('account_kits')
    .select(['name', 'policy'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  const { platform_id: _, name = row.name, ...given } = data;
  const policy = JSON.stringify({ ...(JSON.parse(row.policy) as KitPolicy), ...given });
  await transaction
    .updateTable('account_kits')
    .set({ name, policy, updated_at: event.at })
    .where('id', '=', id)
    .execute();
}
