import { expect, it } from '@jest/globals';
import type { Kysely } from 'kysely';
import type { RecordedEvent } from '#kernel';
import { SqliteReadDatabase } from '#projections';
import type { TenantDeletionTables } from './tables.js';
import { TenantDeletionsProjection } from './tenant-deletions.projection.js';

const event = (position: number, type: string, stream: string, data: object) =>
  ({ position: BigInt(position), at: `at ${position}`, type, stream, data }) as unknown as RecordedEvent;

const ofUser = { tenant_id: 'one' };
const EVENTS = [
  event(1, 'tenant-user.created.v2', 'tenantUser-a', ofUser),
  event(2, 'tenant-user.deleted.v1', 'tenantUser-a', ofUser),
  event(3, 'deletion.completed.v1', 'deletion-a', ofUser),
  event(4, 'tenant.deleted.v1', 'tenant-one', { platform_id: 'platform' }),
  event(5, 'tenant-user.created.v2', 'tenantUser-b', { tenant_id: 'two' }),
  event(6, 'deletion.completed.v1', 'deletion-c', ofUser),
];

/** The rows after these events, so many of which stand together. */
async function rowsAfter(together: number): Promise<unknown[]> {
  const database = SqliteReadDatabase.inMemory();
  const projection = new TenantDeletionsProjection();
  await database.write((tables: Kysely<TenantDeletionTables>) =>
    projection.createTables(tables, async () => undefined),
  );
  for (let first = 0; first < EVENTS.length; first += together) {
    await database.write((tables: Kysely<TenantDeletionTables>) =>
      projection.applyAll(tables, EVENTS.slice(first, first + together)),
    );
  }
  const all = database.reader<TenantDeletionTables>().selectFrom('tenant_deletions').selectAll();
  const rows = await all.orderBy('tenant_id').execute();
  await database.close();
  return rows;
}

it('counts events that stand together as it counts each by itself, on both sides of a deletion', async () => {
  const rows = await rowsAfter(1);
  expect(rows).toMatchObject([
    { tenant_id: 'one', platform_id: 'platform', completed_before: 1, created: 1, deleted: 1, completed: 2 },
    { tenant_id: 'two', platform_id: null, created: 1 },
  ]);
  for (const together of [2, 3, 6]) expect(await rowsAfter(together)).toEqual(rows);
});
