import type { Kysely } from 'kysely';
import { type RecordedEvent, streamId } from '#kernel';
import { type CreateIndex, type Projection, prepareStatement, type SlotOf } from '#worker/projections';
import type { TenantDeletionTables } from './tables.js';

export const TENANT_DELETIONS = 'tenant-deletions';

type Count = 'created' | 'deleted' | 'completed';

const COUNTED: Record<string, Count> = {
  'tenant-user.created.v1': 'created',
  'tenant-user.created.v2': 'created',
  'tenant-user.deleted.v1': 'deleted',
  'deletion.completed.v1': 'completed',
};

/** How far the deletion of each tenant is: it follows from what happens to its users, so it can't be told wrong. */
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

  apply(transaction: Kysely<TenantDeletionTables>, event: RecordedEvent): Promise<void> {
    return this.applyAll(transaction, [event]);
  }

  /** Each tenant's counts are written once for events that stand together. */
  async applyAll(transaction: Kysely<TenantDeletionTables>, events: readonly RecordedEvent[]): Promise<void> {
    const counts = new Map<string, Counts>();
    const write = async () => {
      for (const added of counts.values()) await addToCounts(transaction, added);
      counts.clear();
    };
    const add = (tenant_id: string, counted: Count | undefined, { position, at }: RecordedEvent) => {
      const added = counts.get(tenant_id) ?? { tenant_id, created: 0, deleted: 0, completed: 0 };
      if (counted) added[counted] += 1;
      counts.set(tenant_id, { ...added, position: Number(position), at });
    };
    for (const event of events) {
      const counted = COUNTED[event.type];
      const { tenant_id, platform_id } = event.data as { tenant_id?: string; platform_id?: string };
      if (counted !== undefined && tenant_id !== undefined) add(tenant_id, counted, event);
      if (event.type !== 'tenant.deleted.v1') continue;
      const id = streamId(event.stream);
      add(id, undefined, event);
      await write();
      await transaction
        .updateTable('tenant_deletions')
        .set((row) => ({ platform_id, requested_at: event.at, completed_before: row.ref('completed') }))
        .where('tenant_id', '=', id)
        .execute();
    }
    await write();
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
