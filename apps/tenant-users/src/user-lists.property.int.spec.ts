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
  role: string;
  status: string;
  teams: string[];
  metadata: Record<string, string | number | boolean>;
}

const orAbsent = <Value>(values: fc.Arbitrary<Value>) => fc.option(values, { nil: undefined });
const fields = {
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
const filter = fc.record({
  email: orAbsent(fc.constantFrom('a@EXAMPLE.com', 'b@example.com')),
  role: orAbsent(fc.constantFrom('member', 'owner')),
  status,
  team: orAbsent(fc.constantFrom('red', 'blue')),
  metadata: fc.dictionary(fc.constantFrom('k', '__proto__', 'é'), fc.constantFrom('1', 'true', 'x'), {
    maxKeys: 2,
  }),
  order: fc.constantFrom('created_at', '-created_at'),
});
type Filter = typeof filter extends fc.Arbitrary<infer Value> ? Value : never;

const given = (body: object) =>
  Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));

/** What a list must answer: `users` are in the order of their creation. */
function expected(users: readonly Model[], { email, role, status, team, metadata, order }: Filter): string[] {
  const matching = users.filter(
    (user) =>
      (email === undefined || user.email?.toLowerCase() === email.toLowerCase()) &&
      (role === undefined || user.role === role) &&
      (status === undefined || user.status === status) &&
      (team === undefined || user.teams.includes(team)) &&
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

describe('lists of users', () => {
  let settings: Settings;
  let app: NestFastifyApplication;

  beforeAll(async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'tenantry-lists-'));
    settings = loadSettings({ TENANTRY_DATA_DIR: dataDir, LOG_LEVEL: 'silent' });
    class TestModule {}
    const imports = [PlatformModule.forRoot(settings), TenantUsersModule];
    app = await createApp({ module: TestModule, imports }, [tenantUsersConsumer]);
    await startFollowing(app);
  });
  afterAll(async () => {
    await app.close();
    await rm(settings.dataDir, { recursive: true });
  });

  const call = async (
    key: string,
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    url: string,
    body?: object,
  ) => {
    const headers = { authorization: `Bearer ${key}` };
    const answer = await app.inject({ method, url, headers, ...(body && { payload: body }) });
    expect([url, answer.statusCode < 300]).toEqual([url, true]);
    return answer.json();
  };

  it('answer as a plain model does, whatever was created, changed and deleted before', async () => {
    const sequences = fc.array(operation, { minLength: 5, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(
        sequences,
        fc.array(filter, { minLength: 3, maxLength: 6 }),
        async (operations, filters) => {
          const { api_key } = await call(settings.rootKey, 'POST', '/v1/platforms', { name: 'Model' });
          const key: string = api_key.raw_key;
          const users: Model[] = (await call(key, 'GET', '/v1/users')).data;
          for (const next of operations) {
            const place = next.kind === 'create' ? 0 : next.at % users.length;
            const url = `/v1/users/${users[place]?.id}`;
            if (next.kind === 'create') {
              const body = given(next.body);
              const { id } = await call(key, 'POST', '/v1/users', body);
              const blank = { email: null, role: 'member', status: 'active', teams: [], metadata: {} };
              users.push({ ...blank, ...body, id });
            } else if (next.kind === 'update') {
              const body = given(next.body);
              await call(key, 'PATCH', url, body);
              users[place] = { ...(users[place] as Model), ...body };
            } else if (place > 0) {
              await call(key, 'DELETE', url);
              users.splice(place, 1);
            }
          }
          for (const wanted of filters) {
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
          }
        },
      ),
      { numRuns: 40 },
    );
  });
});
