import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Aggregates, type EventStore } from '#event-store';
import { newId, systemClock, systemContext } from '#kernel';
import { EVENT_STORE, ReadModels } from '#platform';
import { openService, type ServiceApplication } from '../../../test/service-application.js';
import { accountKit } from './domain/account-kit.js';
import { TenantUsersModule, tenantUsersConsumer } from './index.js';

const parts = { modules: [TenantUsersModule], consumers: [tenantUsersConsumer], clock: systemClock };
const IN_USE = { status: 409, body: expect.objectContaining({ code: 'illegal_state' }) };

describe('a kit that is deleted while users are given it', () => {
  let service: ServiceApplication;
  let platform: Awaited<ReturnType<ServiceApplication['newPlatform']>>;

  beforeEach(async () => {
    service = await openService(parts);
    platform = await service.newPlatform();
  });
  afterEach(() => service.remove());

  const call = async (method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: object) => {
    const answer = await service.call(method, `/v1/${path}`, body, { key: platform.api_key.raw_key });
    return { status: answer.status, body: answer.body };
  };
  const newKit = async (): Promise<string> => (await call('POST', 'account-kits', { name: 'Kit' })).body.id;
  const newUser = async (): Promise<string> => (await call('POST', 'users', {})).body.id;
  const remove = (kitId: string) => call('DELETE', `account-kits/${kitId}`);
  const give = (kitId: string, userId?: string) =>
    userId === undefined
      ? call('POST', 'users', { account_kit_id: kitId })
      : call('PATCH', `users/${userId}`, { account_kit_id: kitId });
  const kitState = async (kitId: string) =>
    (await service.app.get(Aggregates).refresh(accountKit, kitId)).state.lifecycle;

  /** Appends to streams of this category wait from their first on; tells when it comes. */
  const holdAppends = (category: string) => {
    const store = service.app.get<EventStore>(EVENT_STORE);
    const append: EventStore['append'] = store.append.bind(store);
    const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    store.append = async (...args) => {
      if (args[0].startsWith(`${category}-`)) {
        reached.resolve();
        await gate.promise;
      }
      return append(...args);
    };
    const open = () => {
      gate.resolve();
      store.append = append;
    };
    return { reached: reached.promise, open };
  };
  const closeOnly = async (kitId: string) => {
    const id = newId();
    const context = systemContext({ id, correlationId: id }, { platformId: null, tenantId: null }, 'test');
    const command = { kind: 'close' as const, platform_id: platform.id };
    await service.app.get(Aggregates).execute(accountKit, kitId, command, { context });
  };

  it.each([
    ['created', async () => undefined],
    ['changed', newUser],
  ])('given a user who is being %s with it, then the kit stays', async (_, user) => {
    const [kitId, userId] = [await newKit(), await user()];
    const appends = holdAppends('tenantUser');
    const giving = give(kitId, userId);
    await appends.reached;
    const removing = remove(kitId);
    while ((await kitState(kitId)) !== 'closing') await new Promise(setImmediate);
    expect(await give(kitId)).toEqual(IN_USE);
    appends.open();
    const given = await giving;
    expect([given.status, given.body.account_kit_id]).toEqual([userId ? 200 : 201, kitId]);
    expect(await removing).toEqual(IN_USE);
    expect((await call('GET', `account-kits/${kitId}`)).status).toBe(200);
    expect((await give(kitId)).status).toBe(201);
  });

  it('given that it has closed, then no user is given it any more, and it goes', async () => {
    const [kitId, userId, kept] = [await newKit(), await newUser(), await newKit()];
    const ending = holdAppends('accountKit');
    const removing = remove(kitId);
    await ending.reached;
    ending.open();
    const { status } = await removing;
    expect([status, await kitState(kitId)]).toEqual([204, 'deleted']);
    for (const user of [undefined, userId]) {
      const { status: refused, body } = await give(kitId, user);
      expect([refused, body.errors]).toEqual([400, [expect.objectContaining({ field: 'account_kit_id' })]]);
    }
    expect((await give(kept, userId)).status).toBe(200);
  });

  it('given that it is deleted twice at once, then both say so, and it went once', async () => {
    const kitId = await newKit();
    const answers = await Promise.all([remove(kitId), remove(kitId)]);
    expect(answers.map(({ status }) => status).sort()[0]).toBe(204);
    expect(answers.every(({ status }) => status === 204 || status === 404)).toBe(true);
    const events = await service.app.get<EventStore>(EVENT_STORE).read(`accountKit-${kitId}`);
    expect(events.map(({ type }) => type)).toEqual([
      'account-kit.created.v1',
      'account-kit.closing.v1',
      'account-kit.deleted.v1',
    ]);
  });

  it.each([
    { users: 'no user has it', isUsed: false, expected: 'deleted' },
    { users: 'a user has it', isUsed: true, expected: 'alive' },
  ])('given a crash after it closed, and $users, then it is $expected', async ({ isUsed, expected }) => {
    const kitId = await newKit();
    if (isUsed) await give(kitId);
    const ending = holdAppends('accountKit');
    const closing = closeOnly(kitId);
    await ending.reached;
    // What follows the log gets no further than to here before the end of the process.
    await service.app.get(ReadModels).stop();
    ending.open();
    await closing;
    expect(await kitState(kitId)).toBe('closing');
    await service.close();
    service = await openService(parts, service.dataDir);
    while ((await kitState(kitId)) === 'closing') await new Promise(setImmediate);
    expect(await kitState(kitId)).toBe(expected);
  });

  it('given a deletion that did not come to its end, when it is asked for again, then it does', async () => {
    const kitId = await newKit();
    await service.app.get(ReadModels).stop();
    await closeOnly(kitId);
    await service.close();
    service = await openService(parts, service.dataDir);
    expect([204, 404]).toContain((await remove(kitId)).status);
    expect(await kitState(kitId)).toBe('deleted');
  });

  it('given creates, patches and deletions at once, then no user is left with a kit that is gone', async () => {
    const step = fc.record({
      kind: fc.constantFrom('create' as const, 'patch' as const, 'delete' as const, 'delete' as const),
      turns: fc.nat({ max: 6 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 12 }), async (steps) => {
        const [kitId, userId] = [await newKit(), await newUser()];
        const answers = await Promise.all(
          steps.map(async ({ kind, turns }) => {
            for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
            const { status } = await (kind === 'delete'
              ? remove(kitId)
              : give(kitId, kind === 'patch' ? userId : undefined));
            return { kind, status };
          }),
        );
        const isGone = (await call('GET', `account-kits/${kitId}`)).status === 404;
        const { body } = await call('GET', `users?account_kit_id=${kitId}`);
        const given = answers.some(({ kind, status }) => kind !== 'delete' && status < 300);
        const deleted = answers.some(({ kind, status }) => kind === 'delete' && status === 204);
        expect({ isGone, users: body.total > 0 }).toEqual({ isGone: deleted, users: given });
        expect(given && deleted).toBe(false);
        for (const { status } of answers) expect(status).toBeLessThan(500);
      }),
      { numRuns: 60 },
    );
  });
});
