import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import fc from 'fast-check';
import { createApp, loadSettings, PlatformModule, type Settings, startFollowing } from '#platform';
import { TenantUsersModule, tenantUsersConsumer } from './index.js';

interface Model {
  id: string;
  email: string | null;
  label: string | null;
  username: string | null;
  first_name: string | null;
  middle_name: string | null;
  last_name: string | null;
  role: string;
  status: string;
  teams: string[];
  metadata: Record<string, string | number | boolean>;
}

const orAbsent = <Value>(values: fc.Arbitrary<Value>) => fc.option(values, { nil: undefined });
const name = orAbsent(fc.constantFrom('Ann', 'ANNA', 'Lee', '\u00c9va', 'E\u0301va', '\u0130pek', 'a', null));
const fields = {
  label: name,
  username: name,
  first_name: name,
  middle_name: name,
  last_name: name,
  email: orAbsent(fc.constantFrom('a@example.com', 'A@Example.com', 'b@example.com', null)),
  role: orAbsent(fc.constantFrom('member', 'owner')),
  teams: orAbsent(fc.subarray(['red', 'blue'])),
  metadata: orAbsent(
    fc.dictionary(fc.constantFrom('k', '__proto__', 'é'), fc.constantFrom('1', 1, true, 'x')),
  ),
};
const status = orAbsent(fc.constantFrom('active', 'suspended'));
const operation = fc.oneof(
  fc.record({ kind: fc.constant('create' as const), body: fc.record(fields) }),
  fc.record({ kind: fc.constant('update' as const), at: fc.nat(), body: fc.record({ ...fields, status }) }),
  fc.record({ kind: fc.constant('delete' as const), at: fc.nat() }),
);
/** Now and then a question in between, so that what was read before has to follow the changes. */
const step = fc.oneof(
  { weight: 12, arbitrary: operation },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('list' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
);
const filter = fc.record({
  email: orAbsent(fc.constantFrom('a@EXAMPLE.com', 'b@example.com')),
  role: orAbsent(fc.constantFrom('member', 'owner')),
  status,
  team: orAbsent(fc.constantFrom('red', 'blue')),
  metadata: fc.dictionary(fc.constantFrom('k', '__proto__', 'é'), fc.constantFrom('1', 'true', 'x'), {
    maxKeys: 2,
  }),
  q: orAbsent(
    fc.constantFrom(
      ...[
        'a',
        'ann',
        'Ann L',
        'lee ann',
        'anna\u0020le',
        'e\u0301',
        '\u00c9VA',
        '\u0130',
        'B@',
        'example.c',
        'x',
        'lee ',
        '@',
      ],
    ),
  ),
  order: fc.constantFrom('created_at', '-created_at'),
});
type Operation = typeof operation extends fc.Arbitrary<infer Value> ? Value : never;
type Filter = typeof filter extends fc.Arbitrary<infer Value> ? Value : never;

const given = (body: object) =>
  Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));

const plain = (text: string) => text.normalize('NFC').toLowerCase();
const wordsOf = (text: string) =>
  plain(text)
    .split(/[^\p{L}\p{N}\p{M}]+/u)
    .filter((word) => word !== '');

/** Has all the words, of which the last one may be cut short. */
function isFound(user: Model, q: string): boolean {
  const { label, username, first_name, middle_name, last_name, email } = user;
  const texts = [label, username, first_name, middle_name, last_name, email].filter((text) => text !== null);
  const words = texts.flatMap(wordsOf);
  const [last, ...others] = wordsOf(q).reverse();
  return (
    last !== undefined &&
    others.every((word) => words.includes(word)) &&
    words.some((word) => word.startsWith(last))
  );
}

/** A username is unique in its tenant, whatever its case. */
const isTaken = (others: readonly Model[], { username }: { username?: string | null }): boolean =>
  typeof username === 'string' &&
  others.some((other) => other.username !== null && plain(other.username) === plain(username));

/** What a list must answer: `users` are in the order of their creation. */
function expected(users: readonly Model[], wanted: Filter): string[] {
  const { email, role, status, team, metadata, q, order } = wanted;
  const matching = users.filter(
    (user) =>
      (email === undefined || user.email?.toLowerCase() === email.toLowerCase()) &&
      (role === undefined || user.role === role) &&
      (status === undefined || user.status === status) &&
      (team === undefined || user.teams.includes(team)) &&
      (q === undefined || isFound(user, q)) &&
      Object.entries(metadata).every(
        ([key, value]) => Object.hasOwn(user.metadata, key) && String(user.metadata[key]) === value,
      ),
  );
  const ids = matching.map(({ id }) => id);
  return order === 'created_at' ? ids : ids.reverse();
}

function queryOf({ metadata, ...plain }: Filter): string {
  const entries = Object.entries(metadata).map(([key, value]) => [`metadata[${key}]`, value]);
  return new URLSearchParams([...Object.entries(given(plain)), ...entries] as [string, string][]).toString();
}

const SEED = Math.floor(Math.random() * 2 ** 31);

describe(`lists of users (seed ${SEED})`, () => {
  let settings: Settings;
  let app: NestFastifyApplication;

  beforeAll(async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'tenantry-lists-'));
    settings = loadSettings({ TENANTRY_DATA_DIR: dataDir, LOG_LEVEL: 'silent' });
    await start();
  });
  afterAll(async () => {
    await app.close();
    await rm(settings.dataDir, { recursive: true });
  });

  const start = async () => {
    class TestModule {}
    const imports = [PlatformModule.forRoot(settings), TenantUsersModule];
    app = await createApp({ module: TestModule, imports }, [tenantUsersConsumer]);
    await startFollowing(app);
  };
  const call = async (
    key: string,
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    url: string,
    { body, refused = false }: { body?: object; refused?: boolean } = {},
  ) => {
    const headers = { authorization: `Bearer ${key}` };
    const answer = await app.inject({ method, url, headers, ...(body && { payload: body }) });
    const status = answer.statusCode < 300 ? 200 : answer.statusCode;
    expect([url, status]).toEqual([url, refused ? 409 : 200]);
    return answer.json();
  };

  const BLANK = {
    email: null,
    label: null,
    username: null,
    first_name: null,
    middle_name: null,
    last_name: null,
    role: 'member',
    status: 'active',
    teams: [],
    metadata: {},
  };

  const take = async (key: string, users: Model[], next: Operation): Promise<void> => {
    const place = next.kind === 'create' ? 0 : next.at % users.length;
    const url = `/v1/users/${users[place]?.id}`;
    if (next.kind === 'create') {
      const body = given(next.body);
      const refused = isTaken(users, body);
      const { id } = await call(key, 'POST', '/v1/users', { body, refused });
      if (!refused) users.push({ ...BLANK, ...body, id });
    } else if (next.kind === 'update') {
      const body = given(next.body);
      const others = users.filter((_, index) => index !== place);
      const refused = isTaken(others, body);
      await call(key, 'PATCH', url, { body, refused });
      if (!refused) users[place] = { ...(users[place] as Model), ...body };
    } else if (place > 0) {
      await call(key, 'DELETE', url);
      users.splice(place, 1);
    }
  };

  const compare = async (key: string, users: readonly Model[], wanted: Filter): Promise<void> => {
    const ids: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const more: string = cursor && `&cursor=${cursor}`;
      const page = await call(key, 'GET', `/v1/users?limit=3&${queryOf(wanted)}${more}`);
      ids.push(...page.data.map(({ id }: Model) => id));
      expect(page.total).toBe(expected(users, wanted).length);
      cursor = page.next_cursor;
    }
    expect(ids).toEqual(expected(users, wanted));
  };

  it('answer as a plain model does, whatever was created, changed, deleted and restarted before', async () => {
    const sequences = fc.array(step, { minLength: 5, maxLength: 25 });
    const filters = fc.array(filter, { minLength: 3, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(sequences, filters, async (steps, wanted) => {
        const { api_key } = await call(settings.rootKey, 'POST', '/v1/platforms', {
          body: { name: 'Model' },
        });
        const key: string = api_key.raw_key;
        const [user] = (await call(key, 'GET', '/v1/users')).data;
        const users: Model[] = [{ ...BLANK, ...user }];
        for (const next of steps) {
          if (next.kind === 'restart') {
            await app.close();
            await start();
          } else if (next.kind === 'list') {
            for (const it of wanted) await compare(key, users, it);
          } else await take(key, users, next);
        }
        for (const it of wanted) await compare(key, users, it);
      }),
      { numRuns: 20, seed: SEED },
    );
  });
});
