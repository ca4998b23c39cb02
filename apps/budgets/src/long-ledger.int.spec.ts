import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type EventStore, MAX_PAGE_EVENTS, type SnapshotParts } from '#event-store';
import { type NewEvent, newId } from '#kernel';
import { EVENT_STORE, SNAPSHOTS } from '#platform';
import { countedReads } from '../../../test/counted-reads.js';
import { addUser, BudgetsApp, clock, until, world } from '../../../test/services/budgets-app.js';

const SPENDS = 3_000;
const AT_ONCE = 250;

describe('a budget with a long ledger', () => {
  let service: BudgetsApp;
  let user: string;

  beforeAll(async () => {
    service = await BudgetsApp.start();
    user = addUser();
    await service.call('PUT', `${user}/budget`, { limit_usd: '1.00', period: 'none' });
    const store = service.app.get<EventStore>(EVENT_STORE);
    for (let done = 0; done < SPENDS; done += AT_ONCE) {
      await store.append(`budget-${user}`, done, Array.from({ length: AT_ONCE }, spent));
    }
    await restart();
  });
  afterAll(() => service?.close());

  const restart = async () => {
    await service.app.close();
    service = await BudgetsApp.start(service.folder);
  };
  const spent = (): NewEvent => ({
    id: newId(),
    type: 'budget.spent.v1',
    at: clock.now().toISOString(),
    data: {
      platform_id: world.platformId,
      tenant_id: world.tenantId,
      amount_micro_usd: -10,
      balance_after_micro_usd: 0,
      transaction_id: newId(),
      at: clock.now().toISOString(),
    },
    metadata: {
      platformId: world.platformId,
      tenantId: world.tenantId,
      actor: { type: 'system', id: 'test' },
      correlationId: 'test',
      causationId: 'test',
    },
  });
  const spend = async () => {
    const { status, body } = await service.call('POST', `${user}/budget/spend`, { amount_usd: '0.01' });
    expect(status).toBe(201);
    return body.balance_usd as string;
  };

  it('given a restart, then the first spend reads it once, and after the next one what came since', async () => {
    const first = await countedReads(service.app, async () => expect(await spend()).toBe('0.96'));
    expect(first.events).toBeGreaterThan(SPENDS);
    expect(first.largest).toBeLessThanOrEqual(MAX_PAGE_EVENTS);
    const { store } = service.app.get<SnapshotParts>(SNAPSHOTS);
    const kept = await until(() => store.find(`budget-${user}`, 1));
    expect(kept).toMatchObject({ revision: SPENDS });
    await restart();
    const next = await countedReads(service.app, async () => expect(await spend()).toBe('0.95'));
    expect(next.events).toBeLessThan(10);
  });

  it('given that its user is deleted, then the snapshot is gone with the key, and the budget stays closed', async () => {
    await service.deleteUser(user);
    const { store } = service.app.get<SnapshotParts>(SNAPSHOTS);
    expect(await store.find(`budget-${user}`, 1)).toBeUndefined();
    await restart();
    const { status } = await service.call('POST', `${user}/budget/spend`, { amount_usd: '0.01' });
    expect(status).toBe(404);
  });
});
