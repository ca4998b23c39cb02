import type { SchemaModule } from 'kysely';
import type { CreateIndex } from '#worker/projections';

export async function createAccessTables(schema: SchemaModule, createIndex: CreateIndex): Promise<void> {
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
  await schema
    .createTable('tenants')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('platform_id', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('external_id', 'text')
    .addColumn('settings', 'text', (column) => column.notNull())
    .addColumn('is_default', 'integer', (column) => column.notNull())
    .addColumn('default_user_id', 'text', (column) => column.notNull())
    .addColumn('sequence', 'bigint', (column) => column.notNull())
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addColumn('updated_at', 'text', (column) => column.notNull())
    .execute();
  await createIndex('tenants', ['platform_id', 'sequence']);
  await schema
    .createTable('account_kits')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('platform_id', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('is_default', 'integer', (column) => column.notNull())
    .addColumn('policy', 'text', (column) => column.notNull())
    .addColumn('sequence', 'bigint', (column) => column.notNull())
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addColumn('updated_at', 'text', (column) => column.notNull())
    .execute();
  await createIndex('account_kits', ['platform_id', 'sequence']);
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
  await createIndex('platform_keys', ['tenant_id']);
}
