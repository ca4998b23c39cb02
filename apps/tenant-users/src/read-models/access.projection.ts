import { Injectable } from '@nestjs/common';
import type { Kysely } from 'kysely';
import { type RecordedEvent, streamId } from '#kernel';
import type { CreateIndex, Projection } from '#projections';
import type { AccountKitEvent } from '../domain/account-kit.js';
import type { PlatformEvent } from '../domain/platform.js';
import type { PlatformKeyIssued } from '../domain/platform-key.js';
import type { TenantEvent } from '../domain/tenant.js';
import type { AccessTables } from './tables.js';

export const ACCESS = 'access';

/** Platforms, their tenants, kits and keys: all that is needed to know who is calling. */
@Injectable()
export class AccessProjection implements Projection<AccessTables> {
  readonly name = ACCESS;
  readonly version = 2;
  readonly categories = ['platform', 'tenant', 'accountKit', 'platformKey'];
  readonly tables = ['platforms', 'tenants', 'account_kits', 'platform_keys'] as const;

  /** Grows with every change, so that what was read before can be told from what would be read now. */
  generation = 0;

  changed(): void {
    this.generation++;
  }

  async createTables({ schema }: Kysely<AccessTables>, createIndex: CreateIndex): Promise<void> {
    await schema
      .createTable('platforms')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('default_tenant_id', 'text', (column) => column.notNull())
      .addColumn('default_account_kit_id', 'text', (column) => column.notNull())
      .addColumn('default_budget_micro_usd', 'bigint')
      .addColumn('default_role', 'text', (column) => column.notNull())
      .addColumn('sequence', 'bigint', (column) => column.notNull())
      .addColumn('created_at', 'text', (column) => column.notNull())
      .execute();
    await createIndex('platforms', ['sequence']);
    for (const table of ['tenants', 'account_kits'] as const) {
      await schema
        .createTable(table)
        .addColumn('id', 'text', (column) => column.primaryKey())
        .addColumn('platform_id', 'text', (column) => column.notNull())
        .addColumn('name', 'text', (column) => column.notNull())
        .addColumn('is_default', 'integer', (column) => column.notNull())
        .$call((builder) => (table === 'tenants' ? builder.addColumn('default_user_id', 'text') : builder))
        .execute();
      await createIndex(table, ['platform_id']);
    }
    await schema
      .createTable('platform_keys')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('platform_id', 'text', (column) => column.notNull())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('scopes', 'text', (column) => column.notNull())
      .addColumn('tenant_id', 'text')
      .addColumn('expires_at', 'text')
      .addColumn('key_hash', 'text', (column) => column.notNull())
      .addColumn('key_prefix', 'text', (column) => column.notNull())
      .addColumn('revoked', 'integer', (column) => column.notNull())
      .addColumn('sequence', 'bigint', (column) => column.notNull())
      .addColumn('created_at', 'text', (column) => column.notNull())
      .execute();
    await createIndex('platform_keys', ['key_hash'], { unique: true });
    await createIndex('platform_keys', ['platform_id', 'sequence']);
  }

  async apply(transaction: Kysely<AccessTables>, event: RecordedEvent): Promise<void> {
    const id = streamId(event.stream);
    switch (event.type) {
      case 'platform.created.v1': {
        const { settings, default_user_id: _, ...data } = event.data as unknown as PlatformEvent['data'];
        const placed = { id, sequence: Number(event.position), created_at: event.at };
        await transaction
          .insertInto('platforms')
          .values({ ...data, ...settings, ...placed })
          .execute();
        return;
      }
      case 'tenant.created.v1': {
        const data = event.data as unknown as TenantEvent['data'];
        const row = { ...data, id, is_default: data.is_default ? 1 : 0 };
        await transaction.insertInto('tenants').values(row).execute();
        return;
      }
      case 'account-kit.created.v1': {
        const data = event.data as unknown as AccountKitEvent['data'];
        const row = { ...data, id, is_default: data.is_default ? 1 : 0 };
        await transaction.insertInto('account_kits').values(row).execute();
        return;
      }
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
