import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Aggregates, type AppendResult, ClaimingEventStore, type EventStore } from '#event-store';
import {
  fold,
  isTenantryError,
  newId,
  type RecordedEvent,
  streamId,
  systemClock,
  systemContext,
  unavailable,
} from '#kernel';
import {
  IdentifierReader,
  IdentifierRegistry,
  type IdentifierRows,
  IdentifierTable,
  PersonalDataCodec,
  Sealer,
  type SubjectKeyStore,
} from '#privacy';
import { InMemoryEventStore } from '#testing';
import { CreateTenantUserHandler } from './commands/create-tenant-user.js';
import { UserHolders } from './commands/identifier-holders.js';
import type { KitAssignments } from './commands/kit-assignments.js';
import { UpdateTenantUserHandler } from './commands/update-tenant-user.js';
import { userIdentifiers } from './domain/identifiers.js';
import { tenantUser } from './domain/tenant-user.decide.js';
import type { PersonalData, TenantUserEvent } from './domain/tenant-user.js';
import { identifierHoldings } from './policies/identifier-holdings.js';
import { NOBODY } from './policies/provisioning.js';

const TENANT = newId();
const context = () => {
  const id = newId();
  return systemContext({ id, correlationId: id }, { platformId: TENANT, tenantId: TENANT }, 'test');
};

const anyKit = { during: (_, work) => work() } as KitAssignments;

/** What happens to an append: it may fail before it is stored, or its answer may be lost. */
type Fate = 'stored' | 'lost' | 'unanswered';
type Step = <Work>(work: () => Promise<Work>) => Promise<Work>;

/** A log and identifiers that several processes share; each access to either is a step of the schedule. */
function world({ exclusive, step, fate }: { exclusive: boolean; step: Step; fate: () => Fate }) {
  const database = new DatabaseSync(':memory:');
  const table = new IdentifierTable(database);
  const reader = new IdentifierReader(database);
  table.complete();
  const later =
    <Given extends unknown[], Answer>(work: (...given: Given) => Answer) =>
    (...given: Given): Promise<Awaited<Answer>> =>
      step(async () => work(...given)) as Promise<Awaited<Answer>>;
  const identifiers: IdentifierRows = {
    find: async (key) => reader.find(key),
    claim: later((keys, claim) => table.claim(keys, claim)),
    release: later((keys, claim) => table.release(keys, claim)),
    follow: later((holdings, options) => table.follow(holdings, options)),
    collisions: async () => reader.collisions(),
    isComplete: async () => reader.isComplete(),
    complete: async () => table.complete(),
  };
  const keys = {
    identifiers,
    secret: async () => new Uint8Array(32),
    find: async () => KEY,
    assign: async () => '1',
  } as unknown as SubjectKeyStore;
  const log = new InMemoryEventStore();
  const append = later(async (...given: Parameters<EventStore['append']>): Promise<AppendResult> => {
    const becomes = fate();
    if (becomes === 'lost') throw unavailable('lost');
    const appended = await log.append(given[0], given[1], given[2]);
    if (becomes === 'unanswered') throw unavailable('unanswered');
    return appended;
  });
  const shared: EventStore = {
    ...bound(log),
    exclusive,
    append,
    read: later((stream, options) => log.read(stream, options)),
  };
  const codec = new PersonalDataCodec(new Sealer(keys));

  const openProcess = async () => {
    const registry = await IdentifierRegistry.open(keys);
    const store = new ClaimingEventStore(shared, registry);
    const aggregates = new Aggregates(store, codec, systemClock);
    store.answerFor(['user.external_id', 'user.username'], new UserHolders(aggregates));
    const creates = new CreateTenantUserHandler(aggregates, anyKit, undefined as never, keys);
    const updates = new UpdateTenantUserHandler(aggregates, anyKit);
    return {
      create: (personal: Partial<PersonalData>, id?: string) => {
        const user = { platformId: TENANT, tenantId: TENANT, isDefault: false, accountKitId: 'kit' };
        const whole = { ...NOBODY, role: 'member', ...personal };
        const wanted = { ...user, ...(id && { id }), openingBudget: null, personal: whole };
        return creates.execute({ user: wanted, context: context() } as never);
      },
      rename: (userId: string, username: string | null) => {
        const update = { tenantId: TENANT, userId, changes: { username } };
        return updates.execute({ given: update, context: context() } as never);
      },
      remove: (userId: string) => {
        const command = { kind: 'delete' as const, tenant_id: TENANT };
        return aggregates.execute(tenantUser, userId, command, { context: context() });
      },
    };
  };

  /** All events of the log, opened. */
  const history = async () => {
    const events: RecordedEvent[] = [];
    const end = await log.head();
    const subscription = log.subscribe({ after: 0n }, async (batch) => void events.push(...batch.events));
    while (BigInt(events.at(-1)?.position ?? 0n) < end) await new Promise(setImmediate);
    await subscription.close();
    return Promise.all(events.map((event) => codec.decode(event)));
  };
  const registry = await0(() => IdentifierRegistry.open(keys));
  /** As late as the schedule has it. */
  const follow = async () => {
    const events = (await history()).filter((event) =>
      identifierHoldings.concerns(event as RecordedEvent, { filling: false }),
    );
    await (await registry()).follow(events.flatMap(identifierHoldings.apply));
  };
  return { openProcess, history, follow, registry, table };
}

const KEY = new Uint8Array(32).fill(7);

const await0 = <Result>(open: () => Promise<Result>) => {
  let opened: Promise<Result> | undefined;
  return () => (opened ??= open());
};

/** Its methods without `this`. */
const bound = (store: InMemoryEventStore) => ({
  subscribe: store.subscribe.bind(store),
  head: store.head.bind(store),
  ready: store.ready.bind(store),
  close: store.close.bind(store),
});

/** Goes through the log: at no time do two users hold one value. Answers who holds what at its end. */
function holdersOf(events: readonly RecordedEvent<object>[]): Map<string, string> {
  const users = new Map<string, PersonalData | null>();
  let holders = new Map<string, string>();
  for (const event of events) {
    const { type, data } = event as unknown as TenantUserEvent;
    const user = streamId(event.stream);
    if (type === 'tenant-user.deleted.v1' || type === 'tenant-user.abandoned.v1') users.delete(user);
    else users.set(user, (data as { personal: PersonalData }).personal);
    holders = new Map();
    for (const [id, personal] of users) {
      for (const { kind, value } of userIdentifiers(TENANT, personal ?? {})) {
        const key = `${kind} ${kind === 'user.username' ? fold(value) : value}`;
        expect(holders.get(key)).toBeUndefined();
        holders.set(key, id);
      }
    }
  }
  return holders;
}

const REFUSALS = ['duplicate_record', 'conflict', 'not_found', 'unavailable'];
const settle = (work: Promise<unknown>): Promise<void> =>
  work.then(
    () => undefined,
    (error: unknown) => {
      if (!isTenantryError(error) || !REFUSALS.includes(error.code)) throw error;
    },
  );

/** One that users have, or one that nobody has yet, or none. */
const username = fc.constantFrom('ann', 'dan', 'DAN', 'dan', null);
const operation = fc.oneof(
  fc.record({
    by: fc.nat(2),
    kind: fc.constant('create' as const),
    username,
    external_id: fc.constantFrom('x', null),
  }),
  fc.record({ by: fc.nat(2), kind: fc.constant('rename' as const), user: fc.nat(2), username }),
  fc.record({ by: fc.nat(2), kind: fc.constant('remove' as const), user: fc.nat(2) }),
  fc.record({ by: fc.nat(2), kind: fc.constant('follow' as const) }),
);

async function run(
  scheduler: fc.Scheduler,
  operations: readonly Operation[],
  { exclusive, fates }: { exclusive: boolean; fates: Fate[] },
): Promise<void> {
  let isScheduled = false;
  const step: Step = (work) => (isScheduled ? scheduler.schedule(Promise.resolve()).then(work) : work());
  const { openProcess, history, follow, registry } = world({
    exclusive,
    step,
    fate: () => (isScheduled ? fates.shift() : undefined) ?? 'stored',
  });
  const one = await openProcess();
  const processes = exclusive ? [one, one, one] : [one, await openProcess(), await openProcess()];
  const users = [newId(), newId(), newId()];
  for (const [index, id] of users.entries()) {
    await one.create({ username: ['ann', 'bob', 'cat'][index] ?? null, external_id: `id-${index}` }, id);
  }
  isScheduled = true;
  const work = operations.map((wanted) => {
    const process = processes[wanted.by]!;
    if (wanted.kind === 'follow') return follow();
    if (wanted.kind === 'create') return settle(process.create(wanted));
    const user = users[wanted.user]!;
    return settle(wanted.kind === 'rename' ? process.rename(user, wanted.username) : process.remove(user));
  });
  await scheduler.waitFor(Promise.all(work));
  isScheduled = false;
  const holders = holdersOf(await history());
  await follow();
  holdersOf(await history());
  for (const [key, id] of holders) {
    const [kind, value] = key.split(' ') as ['user.username' | 'user.external_id', string];
    expect([key, await (await registry()).holderOf({ kind, scope: TENANT, value })]).toEqual([key, id]);
  }
  // What nobody holds can be had, whatever was claimed in vain.
  const free = ['ann', 'bob', 'dan'].filter((name) => !holders.has(`user.username ${name}`));
  for (const name of free) await processes[free.indexOf(name)]!.create({ username: name });
  holdersOf(await history());
}

it('given two users, each with a claim in vain that the other wants now, then each gets what it wants', async () => {
  const fates: Fate[] = [];
  const step: Step = (work) => work();
  const { openProcess, history } = world({ exclusive: false, step, fate: () => fates.shift() ?? 'stored' });
  const { create, rename } = await openProcess();
  const [one, two] = [newId(), newId()];
  await create({ username: 'ann' }, one);
  await create({ username: 'bob' }, two);
  fates.push('lost', 'lost');
  await expect(rename(one, 'cat')).rejects.toThrow('lost');
  await expect(rename(two, 'dan')).rejects.toThrow('lost');
  await Promise.all([rename(one, 'dan'), rename(two, 'cat')]);
  expect([...holdersOf(await history())]).toEqual([
    ['user.username dan', one],
    ['user.username cat', two],
  ]);
});

type Operation = typeof operation extends fc.Arbitrary<infer Value> ? Value : never;

describe('identifiers in any interleaving', () => {
  const operations = fc.array(operation, { minLength: 2, maxLength: 5 });

  it('given several processes on one log, then no value ever has two users, and each that is held is claimed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), operations, (scheduler, some) =>
        run(scheduler, some, { exclusive: false, fates: [] }),
      ),
      { numRuns: 200 },
    );
  });

  it.each([true, false])(
    'given appends that fail or whose answer is lost (one process: %s), then the same',
    async (exclusive) => {
      const fates = fc.array(fc.constantFrom<Fate>('stored', 'stored', 'lost', 'unanswered'), {
        maxLength: 12,
      });
      await fc.assert(
        fc.asyncProperty(fc.scheduler(), operations, fates, (scheduler, some, becomes) =>
          run(scheduler, some, { exclusive, fates: [...becomes] }),
        ),
        { numRuns: 200 },
      );
    },
  );
});
