import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type EventStore, MAX_PAGE_EVENTS, type SnapshotParts } from '#event-store';
import { newId, systemContext } from '#kernel';
import { EVENT_STORE, SNAPSHOTS } from '#platform';
import { PersonalDataCodec, Sealer } from '#privacy';
import { countedReads } from '../../../test/counted-reads.js';
import { openService, type ServiceApplication } from '../../../test/service-application.js';
import { tenantUsersConsumer } from './index.js';
import { ServiceModule } from './service.module.js';

const UPDATES = 2_000;
const AT_ONCE = 100;

const clock = { time: Date.parse('2026-01-15T10:00:00Z'), now: () => new Date(clock.time++) };
const parts = { modules: [ServiceModule], consumers: [tenantUsersConsumer], clock };

describe('a user with a long history', () => {
  let service: ServiceApplication;
  let key: string;
  let rootKey: string;
  let id: string;

  beforeAll(async () => {
    service = await openService(parts);
    ({ key, rootKey } = { key: (await service.newPlatform()).api_key.raw_key, rootKey: service.rootKey });
    ({ id } = (await service.call('POST', '/v1/users', { email: 'long@example.com' }, { key })).body);
    await fill();
    await restart();
  });
  afterAll(() => service?.remove());

  /** As the first version of the service wrote it. */
  async function fill(): Promise<void> {
    const store = service.app.get<EventStore>(EVENT_STORE);
    const codec = new PersonalDataCodec(service.app.get(Sealer));
    const stream = `tenantUser-${id}`;
    const [created] = await store.read(stream);
    const { platform_id, tenant_id, subject_key, status, account_kit_id } = created?.data ?? {};
    const scope = { platform_id, tenant_id, subject_key, status, account_kit_id, changed: ['metadata'] };
    const metadata = systemContext({ id, correlationId: id }, { platformId: null, tenantId: null }, 'test');
    for (let done = 0; done < UPDATES; done += AT_ONCE) {
      const updates = Array.from({ length: AT_ONCE }, (_, index) => {
        const personal = { metadata: { number: done + index + 1, text: 'x'.repeat(2_000) } };
        const data = { ...scope, personal };
        const event = {
          id: newId(),
          type: 'tenant-user.updated.v1',
          at: clock.now().toISOString(),
          data,
          metadata,
        };
        return codec.encode(event, stream);
      });
      await store.append(stream, done, await Promise.all(updates));
    }
  }

  async function restart(): Promise<void> {
    await service.close();
    service = await openService(parts, service.dataDir);
  }

  const call = (method: 'GET' | 'PATCH', path = '', body?: object) =>
    service.call(method, `/v1/users/${id}${path}`, body, { key });
  const reading = (work: () => Promise<unknown>) => countedReads(service.app, work);

  it('when its events and its moments are asked for, then the thread that serves reads none of them', async () => {
    const { events } = await reading(async () => {
      const page = await call('GET', '/events?limit=1');
      expect(page.headers['content-type']).toBe('application/json; charset=utf-8');
      expect(page.body.data[0].changes.email).toEqual({ from: null, to: 'long@example.com' });
      const { body, headers } = await call('GET', '?revision=1500');
      expect(body).toMatchObject({ email: 'long@example.com', metadata: { number: 1_500 }, revision: 1_500 });
      expect(headers.etag).toBe('"1500"');
      expect((await call('GET', '?revision=9999')).body).toMatchObject({ code: 'not_found' });
    });
    expect(events).toBe(0);
  });

  it('given a restart, then the first change reads it in pages, and the first after the next one hardly', async () => {
    const first = await reading(async () =>
      expect((await call('PATCH', '', { label: 'One' })).status).toBe(200),
    );
    expect(first.events).toBeGreaterThan(UPDATES);
    expect(first.largest).toBeLessThanOrEqual(MAX_PAGE_EVENTS);
    const { store } = service.app.get<SnapshotParts>(SNAPSHOTS);
    while (!(await store.find(`tenantUser-${id}`, 1))) await new Promise(setImmediate);
    await restart();
    const next = await reading(async () => {
      const { body } = await call('PATCH', '', { label: 'Two' });
      expect(body).toMatchObject({ label: 'Two', email: 'long@example.com', revision: UPDATES + 2 });
    });
    expect(next.events).toBeLessThan(10);
  });

  it('when the other services ask for it, then they are told its first and its last', async () => {
    const { events } = await reading(async () => {
      const url = `/internal/messages/user/${id}`;
      const { body } = await service.call('GET', url, undefined, { key: rootKey });
      expect(body.messages.map(({ type }: { type: string }) => type)).toEqual([
        'tenantry.user.created.v1',
        'tenantry.user.updated.v1',
      ]);
      expect(body.messages[1].data.revision).toBe(UPDATES + 2);
    });
    expect(events).toBeLessThan(10);
  });

  it('when they ask for a kit, then they are told all its terms, whichever change each came with', async () => {
    const made = { name: 'Pro', key_scopes: ['inference'], allowed_providers: ['github'] };
    const { body: kit } = await service.call('POST', '/v1/account-kits', made, { key });
    const limits = { requests: { limit: 5, window_seconds: 60 } };
    const changes: object[] = [{ rate_limits: limits }, { allowed_providers: null }, { name: 'Max' }];
    for (const change of changes) await service.call('PATCH', `/v1/account-kits/${kit.id}`, change, { key });
    const { body } = await service.call('GET', `/internal/messages/account_kit/${kit.id}`, undefined, {
      key: rootKey,
    });
    expect(body.messages).toMatchObject([
      {
        type: 'tenantry.account-kit.created.v1',
        data: {
          account_kit_id: kit.id,
          revision: 3,
          terms: { key_scopes: ['inference'], rate_limits: limits, allowed_providers: null },
        },
      },
    ]);
  });
});
