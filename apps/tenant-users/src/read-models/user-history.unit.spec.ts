import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Json, type JsonObject, type NewEvent, newId } from '#kernel';
import { PersonalDataCodec, type Sealer } from '#privacy';
import { CountingEventStore, testContext } from '#testing';
import { UserHistory } from './user-history.js';

const PERSONAL = ['email', 'username', 'first_name', 'label', 'metadata', 'role', 'teams'];
const FIXED = ['external_id', 'middle_name', 'last_name', 'phone_number'];
const IN_CLEAR_AT_FIRST = ['role', 'teams'];
const STANDING = ['status', 'account_kit_id'];
const ALL = [...PERSONAL, ...FIXED, ...STANDING];

type User = Record<string, Json>;

const place = { tenantId: 'tenant-1', userId: 'user-1' };
const stream = 'tenantUser-user-1';
const scope = { platform_id: 'platform-1', tenant_id: 'tenant-1', subject_key: '7' };
const nobody: User = {
  ...Object.fromEntries(ALL.map((field) => [field, null])),
  metadata: {},
  teams: [],
  role: 'member',
};

const picked = (user: User, names: readonly string[]): JsonObject =>
  Object.fromEntries(names.filter((name) => name in user).map((name) => [name, user[name] ?? null]));
const sealed = (value: object): string => `sealed ${JSON.stringify(value)}`;
const sealer = {
  openOrNull: async (text: string) => JSON.parse(text.replace('sealed ', '')) as JsonObject,
} as unknown as Sealer;
const codec = new PersonalDataCodec(sealer);

/** The event as the log holds it: of the first version, or with the whole of the personal text. */
function eventOf(version: 1 | 2, user: User, changed: string[] | undefined): Pick<NewEvent, 'type' | 'data'> {
  const name = changed ? 'updated' : 'created';
  const told = picked(user, STANDING);
  const ownFields = changed ? { changed } : { is_default: false, opening_budget: null };
  const data = { ...scope, ...told, ...ownFields } as JsonObject;
  const type = `tenant-user.${name}.v${version}`;
  if (version === 2)
    return { type, data: { ...data, personal: sealed(picked(user, [...PERSONAL, ...FIXED])) } };
  const names = changed ?? ALL;
  const clear = picked(
    user,
    names.filter((field) => IN_CLEAR_AT_FIRST.includes(field)),
  );
  const personal = picked(
    user,
    names.filter((field) => ![...IN_CLEAR_AT_FIRST, ...STANDING].includes(field)),
  );
  const withPersonal = Object.keys(personal).length > 0 ? { personal: sealed(personal) } : {};
  return { type, data: { ...data, ...clear, ...withPersonal } };
}

interface Written {
  at: string;
  user: User;
  changed: string[] | undefined;
  before: User;
}

let store: CountingEventStore;
let history: UserHistory;
let log: Written[];
beforeEach(() => {
  store = new CountingEventStore();
  history = new UserHistory(store, codec);
  log = [];
});

const write = async (events: { version: 1 | 2; changes: User; laterMs?: number }[]): Promise<void> => {
  const made = events.map(({ version, changes, laterMs = 1_000 }): NewEvent => {
    const before = log.at(-1);
    const at = new Date(Date.parse(before?.at ?? '2026-01-01T00:00:00.000Z') + laterMs).toISOString();
    const user = { ...(before?.user ?? nobody), ...changes };
    const changed = before && Object.keys(changes);
    log.push({ at, user, changed, before: before?.user ?? {} });
    return { id: newId(), at, metadata: testContext, ...eventOf(version, user, changed) };
  });
  const expected = log.length - made.length - 1;
  await store.append(stream, expected < 0 ? 'no_stream' : expected, made);
};

const expectedChanges = ({ user, changed, before }: Written) =>
  Object.fromEntries(
    (changed ?? ALL).map((name) => [name, { from: before[name] ?? null, to: user[name] ?? null }]),
  );

async function allPages(limit: number) {
  const found: Awaited<ReturnType<typeof history.list>>['data'] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await history.list(place, { limit, ...(cursor !== undefined && { cursor }) });
    found.push(...page.data);
    if (page.next_cursor === null) return found;
    cursor = page.next_cursor;
  }
}

describe('the history of a user', () => {
  const changes: fc.Arbitrary<User> = fc
    .dictionary(fc.constantFrom(...PERSONAL, ...STANDING), fc.string({ maxLength: 3 }), { maxKeys: 3 })
    .map(({ metadata, teams, ...texts }) => ({
      ...texts,
      ...(metadata !== undefined && { metadata: { key: metadata } }),
      ...(teams !== undefined && { teams: [teams] }),
    }));
  const step = fc.record({
    version: fc.constantFrom(1 as const, 2 as const),
    changes,
    laterMs: fc.constantFrom(0, 1, 60_000),
  });

  it('given events of any versions, then each page and each moment is what was written', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 25 }),
        fc.integer({ min: 1, max: 7 }),
        async (steps, limit) => {
          store = new CountingEventStore();
          history = new UserHistory(store, codec);
          log = [];
          await write(steps);
          const pages = await allPages(limit);
          expect(pages.map(({ revision }) => revision)).toEqual(log.map((_, index) => index));
          expect(pages.map((event) => event.changes)).toEqual(log.map(expectedChanges));
          for (const [revision, { user, at }] of log.entries()) {
            const times = { created_at: log[0]?.at, updated_at: at };
            expect(await history.asOf(place, { revision })).toMatchObject({ ...user, ...times, revision });
            const last = log.findLastIndex((other) => other.at <= at);
            expect(await history.asOf(place, { at })).toMatchObject({ ...log[last]?.user, revision: last });
          }
          await expect(history.asOf(place, { revision: log.length })).rejects.toMatchObject({
            code: 'not_found',
          });
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('what is read of a long history', () => {
  const LENGTH = 3_000;
  const fill = async (version: 1 | 2) => {
    await write([{ version, changes: { email: 'first' } }]);
    for (let done = 1; done < LENGTH; done += 250) {
      const count = Math.min(250, LENGTH - done);
      const texts = Array.from({ length: count }, (_, index) => ({ metadata: { text: `${done + index}` } }));
      await write(texts.map((changes) => ({ version, changes })));
    }
    store.eventsRead = 0;
  };

  it.each([1, 2] as const)('given version %d, then the first page reads what it answers', async (version) => {
    await fill(version);
    await history.list(place, { limit: 1 });
    expect(store.eventsRead).toBeLessThanOrEqual(4);
    store.eventsRead = 0;
    await history.known(place);
    expect(store.eventsRead).toBeLessThanOrEqual(2);
  });

  it('given whole texts, then a page in the middle and a moment read little more', async () => {
    await fill(2);
    const { next_cursor } = await history.list(place, { limit: 100 });
    store.eventsRead = 0;
    const page = await history.list(place, { limit: 100, cursor: next_cursor ?? '' });
    expect(page.data[0]?.changes).toEqual({ metadata: { from: { text: '99' }, to: { text: '100' } } });
    expect(store.eventsRead).toBeLessThanOrEqual(104);
    for (const moment of [{ revision: 1_500 }, { at: log[1_500]?.at ?? '' }]) {
      store.eventsRead = 0;
      expect(await history.asOf(place, moment)).toMatchObject({ metadata: { text: '1500' }, email: 'first' });
      expect(store.eventsRead).toBeLessThanOrEqual(16);
    }
  });

  it('given partial texts, then a page of one field reads back to where that was told last', async () => {
    await fill(1);
    const { next_cursor } = await history.list(place, { limit: 100 });
    store.eventsRead = 0;
    const page = await history.list(place, { limit: 100, cursor: next_cursor ?? '' });
    expect(page.data[0]?.changes).toEqual({ metadata: { from: { text: '99' }, to: { text: '100' } } });
    expect(store.eventsRead).toBeLessThanOrEqual(104);
    expect(await history.asOf(place, { revision: 2_500 })).toMatchObject({
      metadata: { text: '2500' },
      email: 'first',
    });
  });
});
