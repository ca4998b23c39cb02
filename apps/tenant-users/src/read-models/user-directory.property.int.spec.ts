import { afterEach, beforeEach, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type ListOrder, systemClock } from '#kernel';
import { ProjectionRunner, type ReadDatabase } from '#projections';
import { describeOnReadDatabases, InMemoryEventStore, RecordingLogger } from '#testing';
import { type LoggedUser, UserLog } from '../../../../test/user-events.js';
import { UserDirectoryProjection } from './user-directory.projection.js';
import { UserQueries } from './user-queries.js';
import { packed, type UserFilter, UserTokens } from './user-tokens.js';

const SEED = Math.floor(Math.random() * 2 ** 31);
const TENANTS = ['tenant-1', 'tenant-2'];
const SECRET = new Uint8Array(32).fill(5);

const name = fc.constantFrom('Ann', 'ANNA lee', 'Lee', '\u00c9va', 'E\u0301va', 'Stra\u00dfe', null);
const values = fc.record(
  {
    label: name,
    first_name: name,
    last_name: name,
    username: fc.constantFrom('anna_1', 'Lee.2', null),
    email: fc.constantFrom('a@example.com', 'A@Example.com', 'b@other.org', null),
    role: fc.constantFrom('member', 'owner'),
    teams: fc.subarray(['red', 'blue', 'red-blue']),
    metadata: fc.dictionary(
      fc.constantFrom('k', '__proto__', 'é', '1'),
      fc.constantFrom('1', 1, true, '11', null),
    ),
    status: fc.constantFrom('active', 'suspended'),
    account_kit_id: fc.constantFrom('kit-1', 'kit-2'),
  },
  { requiredKeys: [] },
);
const version = fc.constantFrom(1 as const, 2 as const);
const tenant = fc.constantFrom(...TENANTS);
const step = fc.oneof(
  fc.record({ kind: fc.constant('create' as const), tenant, values, version, external: fc.boolean() }),
  fc.record({ kind: fc.constant('update' as const), at: fc.nat(), values, version }),
  fc.record({ kind: fc.constant('delete' as const), at: fc.nat() }),
  fc.record({ kind: fc.constant('catch up' as const) }),
);
const optional = <Value>(of: fc.Arbitrary<Value>) => fc.option(of, { nil: undefined });
const question = fc.record({
  tenant,
  email: optional(fc.constantFrom('a@EXAMPLE.com', 'b@other.org')),
  external_id: fc.option(fc.constantFrom('1', '2'), { nil: undefined, freq: 5 }),
  role: optional(fc.constantFrom('member', 'owner')),
  status: optional(fc.constantFrom('active' as const, 'suspended' as const)),
  team: optional(fc.constantFrom('red', 'blue')),
  account_kit_id: optional(fc.constantFrom('kit-1', 'kit-2')),
  metadata: optional(
    fc.dictionary(fc.constantFrom('k', '__proto__', 'é', '1'), fc.constantFrom('1', 'true', '11'), {
      maxKeys: 2,
    }),
  ),
  q: optional(
    fc.constantFrom('a', 'ann', 'anna le', 'lee ann', 'e\u0301', '\u00c9VA', 'STRASS', 'b@oth', '1', 'x'),
  ),
  order: fc.constantFrom('created_at' as const, '-created_at' as const),
  limit: fc.integer({ min: 1, max: 4 }),
});
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;
type Question = typeof question extends fc.Arbitrary<infer Value> ? Value : never;

const folded = (text: string) => text.normalize('NFC').toLowerCase().replaceAll('\u00df', 'ss');
const wordsOf = (text: string) =>
  folded(text)
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '');

function isFound(
  { label, first_name, last_name, username, email, external_id }: LoggedUser,
  q: string,
): boolean {
  const texts = [label, first_name, last_name, username, email, external_id].filter((text) => text !== null);
  const words = texts.flatMap(wordsOf);
  const [last = '', ...others] = wordsOf(q).reverse();
  return others.every((word) => words.includes(word)) && words.some((word) => word.startsWith(last));
}

function isWanted(user: LoggedUser, asked: Question): boolean {
  const { email, external_id, role, status, team, account_kit_id, metadata = {}, q } = asked;
  const has = (key: string, value: string) =>
    Object.hasOwn(user.metadata, key) && user.metadata[key] !== null && String(user.metadata[key]) === value;
  return (
    user.tenantId === asked.tenant &&
    (email === undefined || (user.email !== null && folded(user.email) === folded(email))) &&
    (external_id === undefined || user.external_id === external_id) &&
    (role === undefined || user.role === role) &&
    (status === undefined || user.status === status) &&
    (team === undefined || user.teams.includes(team)) &&
    (account_kit_id === undefined || user.account_kit_id === account_kit_id) &&
    Object.entries(metadata).every(([key, value]) => has(key, value)) &&
    (q === undefined || isFound(user, q))
  );
}

await describeOnReadDatabases(`lists of users (seed ${SEED})`, ({ dialect, open }) => {
  let database: ReadDatabase;
  let store: InMemoryEventStore;
  let runner: ProjectionRunner;
  let log: UserLog;
  let queries: UserQueries;
  let projection: UserDirectoryProjection;

  const start = async () => {
    database = await open();
    store = new InMemoryEventStore();
    log = new UserLog(store);
    const parts = { open: log.open, secret: SECRET };
    projection = new UserDirectoryProjection({ dialect: database.dialect, ...parts });
    const logger = new RecordingLogger();
    runner = new ProjectionRunner({ store, database, clock: systemClock, logger, projections: [projection] });
    await runner.start();
    queries = new UserQueries({ database, ...parts });
  };
  const stop = async () => {
    queries.forget();
    await runner.stop();
    await store.close();
    await database.close();
  };
  beforeEach(start);
  afterEach(stop);

  const caughtUp = async () => expect(await runner.waitForAll(await store.head(), 10_000)).toBe(true);

  const take = async (next: Step): Promise<void> => {
    const users = [...log.users.values()];
    if (next.kind === 'create') {
      const isFree = (id: string) =>
        !users.some((it) => it.tenantId === next.tenant && it.external_id === id);
      const external_id = (next.external ? ['1', '2'].find(isFree) : undefined) ?? null;
      await log.create(next.tenant, { ...next.values, external_id }, next.version);
    } else if (next.kind === 'catch up') {
      await caughtUp();
    } else if (users.length > 0) {
      const { id } = users[next.at % users.length]!;
      if (next.kind === 'delete') await log.delete(id);
      else await log.update(id, next.values, next.version);
    }
  };

  const holderOf = (scope: string, value: string) =>
    [...log.users.values()].find((user) => user.tenantId === scope && user.external_id === value)?.id ?? '';

  const ask = async (asked: Question) => {
    const { tenant: tenantId, order, limit, metadata, external_id, ...rest } = asked;
    const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
    const entries = metadata && { metadata: new Map(Object.entries(metadata)) };
    const named = external_id !== undefined && { id: holderOf(tenantId, external_id) };
    const filter: UserFilter = { ...given, ...entries, ...named };
    const users: LoggedUser[] = [];
    const totals = new Set<number>();
    let cursor: string | undefined;
    do {
      const body = await queries.list(tenantId, { limit, cursor, order: order as ListOrder, filter });
      const page = JSON.parse(Buffer.from(body).toString());
      expect(page.data.length).toBeLessThanOrEqual(limit);
      users.push(...page.data);
      totals.add(page.total);
      cursor = page.next_cursor ?? undefined;
    } while (cursor !== undefined);
    return { users, totals: [...totals] };
  };

  const compare = async (asked: Question) => {
    const wanted = [...log.users.values()].filter((user) => isWanted(user, asked));
    if (asked.order === '-created_at') wanted.reverse();
    const { users, totals } = await ask(asked);
    expect([asked, users.map(({ id }) => id)]).toEqual([asked, wanted.map(({ id }) => id)]);
    expect(totals).toEqual([wanted.length]);
    expect(users).toMatchObject(wanted.map(({ tenantId, ...user }) => ({ ...user, tenant_id: tenantId })));
  };

  it('answer as a plain model does, whatever happened before, and a rebuild changes nothing', async () => {
    const rounds = fc.array(
      fc.tuple(fc.array(step, { maxLength: 15 }), fc.array(question, { maxLength: 4 })),
      {
        minLength: 1,
        maxLength: 4,
      },
    );
    await fc.assert(
      fc.asyncProperty(rounds, async (all) => {
        await stop();
        await start();
        for (const [steps, questions] of all) {
          for (const next of steps) await take(next);
          await caughtUp();
          for (const asked of questions) await compare(asked);
        }
        runner.rebuild(projection.name, { verify: true });
        expect(await runner.rebuilt(projection.name)).toMatchObject({ state: 'completed', differences: 0 });
        for (const [, questions] of all) for (const asked of questions) await compare(asked);
      }),
      { numRuns: dialect === 'sqlite' ? 60 : 15, seed: SEED },
    );
  }, 120_000);

  it('given a user from whom something filtered by is taken away and who is deleted, then nothing fails', async () => {
    const { id } = await log.create('tenant-1', { metadata: { k: '1', n: 2 } });
    await caughtUp();
    for (const metadata of [{ k: '1' }, {}]) {
      await log.update(id, { metadata });
      await caughtUp();
    }
    await log.delete(id);
    await caughtUp();
    const body = await queries.list('tenant-1', { limit: 5, order: 'created_at', filter: {} });
    const { data } = JSON.parse(Buffer.from(body).toString());
    expect(data).toEqual([]);
  });

  it('holds what it says of each kit', async () => {
    const [one] = [await log.create('tenant-1'), await log.create('tenant-2')];
    await log.update(one.id, { account_kit_id: 'kit-2' });
    await caughtUp();
    const kits = await database.reader<{ kit_users: { account_kit_id: string; total: number } }>();
    expect(await kits.selectFrom('kit_users').selectAll().orderBy('account_kit_id').execute()).toEqual([
      { account_kit_id: 'kit-1', total: 1 },
      { account_kit_id: 'kit-2', total: 1 },
    ]);
  });

  it('packs the tokens of a user into bytes, 8 each, and has none of what the registry knows', () => {
    const personal = { email: 'a@b.ch', role: 'member', external_id: '7', username: 'ann' };
    const tokens = new UserTokens(SECRET).ofPersonal('tenant-1', personal);
    expect(packed(tokens)).toHaveLength(16);
  });
});
