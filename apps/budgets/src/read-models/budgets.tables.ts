import type { Kysely } from 'kysely';
import type { CreateIndex } from '#worker/projections';
import type { BudgetTables } from './tables.js';

type Schema = Kysely<BudgetTables>['schema'];

export async function createBudgetTables(schema: Schema, createIndex: CreateIndex): Promise<void> {
  await schema
    .createTable('budgets')
    .addColumn('user_id', 'text', (column) => column.primaryKey())
    .addColumn('tenant_id', 'text', (column) => column.notNull())
    .addColumn('limit_micro_usd', 'bigint', (column) => column.notNull())
    .addColumn('period', 'text', (column) => column.notNull())
    .addColumn('period_started_at', 'text', (column) => column.notNull())
    .addColumn('spent_micro_usd', 'bigint', (column) => column.notNull())
    .addColumn('credited_micro_usd', 'bigint', (column) => column.notNull())
    .addColumn('held_micro_usd', 'bigint', (column) => column.notNull())
    .addColumn('transaction_count', 'bigint', (column) => column.notNull())
    .execute();
  await schema
    .createTable('budget_transactions')
    .addColumn('user_id', 'text', (column) => column.notNull())
    .addColumn('sequence', 'bigint', (column) => column.notNull())
    .addColumn('id', 'text', (column) => column.notNull())
    .addColumn('type', 'text', (column) => column.notNull())
    .addColumn('amount_micro_usd', 'bigint', (column) => column.notNull())
    .addColumn('balance_micro_usd', 'bigint', (column) => column.notNull())
    .addColumn('personal', 'text')
    .addColumn('at', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('budget_transactions_key', ['user_id', 'sequence'])
    .execute();
  await schema
    .createTable('budget_holds')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('user_id', 'text', (column) => column.notNull())
    .addColumn('tenant_id', 'text', (column) => column.notNull())
    .addColumn('amount_micro_usd', 'bigint', (column) => column.notNull())
    .addColumn('expires_at', 'text', (column) => column.notNull())
    .addColumn('status', 'text', (column) => column.notNull())
    .execute();
  await createIndex('budget_holds', ['user_id', 'status', 'expires_at']);
  await schema
    .createTable('rate_limit_overrides')
    .addColumn('user_id', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('tenant_id', 'text', (column) => column.notNull())
    .addColumn('rate_limit', 'bigint', (column) => column.notNull())
    .addColumn('window_seconds', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('rate_limit_overrides_key', ['user_id', 'name'])
    .execute();
}
