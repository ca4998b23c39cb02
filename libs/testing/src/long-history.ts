import { globSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { SqliteEventStore } from '#event-store';
import { type NewEvent, streamName, uniqueId } from '#kernel';
import { openEmbeddedLog } from './embedded-engines.js';
import { type Service, startService } from './service-process.js';
import { lastRevision } from './whole-stream.js';

export interface LongHistory {
  events: number;
  users: number;
  /** About how many bytes each event has beside its envelope. */
  eventBytes: number;
}

interface Owner {
  id: string;
  tenant_id: string;
  account_kit_id: string;
}

/** What the service that starts on a long history must be given. */
export const ON_SQLITE_LOG = { EVENT_STORE_URL: '' };

const MAX_APPEND_BYTES = 500_000;
const AT_ONCE = 16;

/**
 * Gives a fresh data dir a log of that many events, half of users and half of budgets, and no read models: the service
 * that starts there next has all of it to catch up on, and its relay has all of it to tell. For the log in SQLite.
 */
export async function writeLongHistory(dataDir: string, history: LongHistory): Promise<void> {
  const service = await startService({ dataDir, env: ON_SQLITE_LOG });
  const owners: Owner[] = [];
  const lanes = Array.from({ length: AT_ONCE }, async () => {
    while (owners.length < history.users) owners.push(await createOwner(service));
  });
  await Promise.all(lanes);
  await service.stop();
  const store = await openEmbeddedLog(join(dataDir, 'log.db'));
  try {
    const each = Math.ceil(history.events / owners.length / 2);
    for (const owner of owners) {
      await extend(store, streamName('tenantUser', owner.id), each, () => update(owner, history.eventBytes));
      await extend(store, streamName('budget', owner.id), each, () => spend(owner, history.eventBytes));
    }
  } finally {
    await store.close();
  }
  for (const file of globSync('bus.db*', { cwd: dataDir })) rmSync(join(dataDir, file));
  rmSync(join(dataDir, 'read'), { recursive: true });
}

async function createOwner(service: Service): Promise<Owner> {
  const { body: user } = await service.request<Owner>('POST', '/v1/users', { body: {} });
  const body = { limit_usd: '1000000.00', period: 'none' };
  const { status } = await service.request('PUT', `/v1/users/${user.id}/budget`, { body });
  if (status !== 200) throw new Error(`a budget was answered with ${status}`);
  return user;
}

async function extend(
  store: SqliteEventStore,
  stream: string,
  count: number,
  make: () => NewEvent,
): Promise<void> {
  let revision = await lastRevision(store, stream);
  const size = Math.max(1, Math.floor(MAX_APPEND_BYTES / JSON.stringify(make()).length));
  for (let left = count; left > 0; left -= size) {
    const events = Array.from({ length: Math.min(size, left) }, make);
    revision = (await store.append(stream, revision, events)).revision;
  }
}

function update(owner: Owner, bytes: number): NewEvent {
  const { tenant_id, account_kit_id } = owner;
  const standing = { status: 'active', account_kit_id, role: 'r'.repeat(bytes) };
  const scope = { platform_id: tenant_id, tenant_id, subject_key: '1' };
  return event('tenant-user.updated.v1', { ...scope, ...standing, changed: ['role'] });
}

function spend({ tenant_id }: Owner, bytes: number): NewEvent {
  const amounts = { amount_micro_usd: -1, balance_after_micro_usd: 1 };
  const transaction = { transaction_id: uniqueId(), subject_key: '1', note: 'n'.repeat(bytes) };
  const scope = { platform_id: tenant_id, tenant_id };
  return event('budget.spent.v1', { ...scope, ...amounts, ...transaction, at: new Date().toISOString() });
}

const event = (type: string, data: NewEvent['data']): NewEvent => ({
  id: uniqueId(),
  type,
  at: new Date().toISOString(),
  data,
  metadata: {
    platformId: null,
    tenantId: null,
    actor: { type: 'system', id: 'test' },
    correlationId: 'long-history',
    causationId: 'long-history',
  },
});
