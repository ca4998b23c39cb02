import { Injectable } from '@nestjs/common';
import type { Kysely } from 'kysely';
import { type RecordedEvent, streamId } from '#kernel';
import { ReadModels } from '#platform';
import {
  type CreateIndex,
  type Projection,
  prepareStatement,
  type ReadDatabase,
  type SlotOf,
} from '#projections';
import type { TenantDeleted } from '../domain/tenant.js';
import type { TenantDeletionResource } from '../http/tenant.dto.js';
import type { TenantDeletionTables } from './tables.js';
import type { TenantReader } from './tenants.js';

export const TENANT_DELETIONS = 'tenant-deletions';

type Count = 'created' | 'deleted' | 'completed';

const COUNTED: Record<string, Count> = {
  'tenant-user.created.v1': 'created',
  'tenant-user.deleted.v1': 'deleted',
  'deletion.completed.v1': 'completed',
};

/** How far the deletion of each tenant is: it follows from what happens to its users, so it can't be told wrong. */
@Injectable()
export class TenantDeletionsProjection implements Projection<TenantDeletionTables> {
  readonly name = TENANT_DELETIONS;
  readonly version = 1;
  readonly categories = ['tenant', 'tenantUser', 'deletion'];
  readonly tables = ['tenant_deletions'] as const;

  async createTables({ schema }: Kysely<TenantDeletionTables>, _: CreateIndex): Promise<void> {
    await schema
      .createTable('tenant_deletions')
      .addColumn('tenant_id', 'text', (column) => column.primaryKey())
      .addColumn('platform_id', 'text')
      .addColumn('requested_at', 'text')
      .addColumn('completed_before', 'bigint')
      .addColumn('created', 'bigint', (column) => column.notNull())
      .addColumn('deleted', 'bigint', (column) => column.notNull())
      .addColumn('completed', 'bigint', (column) => column.notNull())
      .addColumn('position', 'bigint', (column) => column.notNull())
      .addColumn('at', 'text', (column) => column.notNull())
      .execute();
  }

  async apply(transaction: Kysely<TenantDeletionTables>, event: RecordedEvent): Promise<void> {
    const { tenant_id } = event.data as { tenant_id?: string };
    const step = { position: Number(event.position), at: event.at };
    const counted = COUNTED[event.type];
    if (counted !== undefined && tenant_id !== undefined) {
      const counts = { created: 0, deleted: 0, completed: 0, [counted]: 1 };
      return addToCounts(transaction, { tenant_id, ...counts, ...step });
    }
    if (event.type !== 'tenant.deleted.v1') return;
    const { platform_id } = event.data as unknown as TenantDeleted['data'];
    const id = streamId(event.stream);
    await addToCounts(transaction, { tenant_id: id, created: 0, deleted: 0, completed: 0, ...step });
    await transaction
      .updateTable('tenant_deletions')
      .set((row) => ({ platform_id, requested_at: event.at, completed_before: row.ref('completed') }))
      .where('tenant_id', '=', id)
      .execute();
  }
}

type Counts = Pick<TenantDeletionTables['tenant_deletions'], 'tenant_id' | Count | 'position' | 'at'>;

const addToCounts = prepareStatement((database: Kysely<TenantDeletionTables>, slot: SlotOf<Counts>) =>
  database
    .insertInto('tenant_deletions')
    .values({
      tenant_id: slot('tenant_id'),
      platform_id: null,
      requested_at: null,
      completed_before: null,
      created: slot('created'),
      deleted: slot('deleted'),
      completed: slot('completed'),
      position: slot('position'),
      at: slot('at'),
    })
    .onConflict((conflict) =>
      conflict.column('tenant_id').doUpdateSet((row) => ({
        created: row('tenant_deletions.created', '+', row.ref('excluded.created')),
        deleted: row('tenant_deletions.deleted', '+', row.ref('excluded.deleted')),
        completed: row('tenant_deletions.completed', '+', row.ref('excluded.completed')),
        position: row.ref('excluded.position'),
        at: row.ref('excluded.at'),
      })),
    ),
);

/** Reads how far deletions of tenants are; each look-up is keyed by (platform, id). */
@Injectable()
export class TenantDeletions {
  private readonly database: ReadDatabase;

  constructor(readModels: ReadModels) {
    this.database = readModels.databaseOf(TENANT_DELETIONS);
  }

  async get(
    { platformId, onlyTenantId }: TenantReader,
    id: string,
  ): Promise<TenantDeletionResource | undefined> {
    if (onlyTenantId !== null && onlyTenantId !== id) return undefined;
    const row = await this.database
      .reader<TenantDeletionTables>()
      .selectFrom('tenant_deletions')
      .selectAll()
      .where('tenant_id', '=', id)
      .where('platform_id', '=', platformId)
      .executeTakeFirst();
    if (!row || row.requested_at === null || row.completed_before === null) return undefined;
    const isCompleted = row.completed === row.created;
    return {
      tenant_id: id,
      status: isCompleted ? 'completed' : 'pending',
      requested_at: row.requested_at,
      users_total: row.created - row.completed_before,
      users_deleted: row.deleted - row.completed_before,
      users_completed: row.completed - row.completed_before,
      completed_at: isCompleted ? row.at : null,
      position: String(row.position),
    };
  }
}
