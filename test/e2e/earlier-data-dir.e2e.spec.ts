// A data dir that an earlier version wrote: all that it answered is answered still, and its users live on.
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Service } from '#testing';
import {
  answers,
  callerOf,
  EMBEDDED,
  expected,
  narrowed,
  read,
  rowsOf,
  unpacked,
} from './earlier-data-dir.js';
import {
  completedDeletion,
  createUser,
  expectProblem,
  expectStatus,
  inParallel,
  issueKey,
  type Problem,
  start,
  type User,
  verifyKey,
} from './support.js';

const { reads, lists } = expected;
const MAIN = expected.places.findIndex(({ name }) => name === 'main');
const dataDir = unpacked();
let service: Service;

const begin = () => start({ ...EMBEDDED, dataDir });

/** The old user that a test is about, as it was. */
function oldUser(wanted: (user: User) => boolean): User {
  const found = reads.users.find(({ place, body }) => place === MAIN && !body.is_default && wanted(body));
  if (!found) throw new Error('the fixture has no such user');
  return found.body;
}
const byExternalId = (external_id: string) => oldUser((user) => user.external_id === external_id);

/** Keys that hold, of users whom nothing else here is about. */
const validKeys = expected.verifications.filter(({ place, answer: { valid, user_id } }) => {
  const owner = reads.users.find(({ body }) => body.id === user_id)?.body;
  return place === MAIN && valid && owner?.external_id?.startsWith('main-user');
});

const post = (path: string, body: object, place = MAIN) =>
  service.request<User & Problem>('POST', path, { body, ...callerOf(place) });
const patch = (id: string, body: object) => service.request<User>('PATCH', `/v1/users/${id}`, { body });
const get = (path: string) => service.request<User>('GET', path);

describe.each(['first', 'second'])('the %s start on it', (which) => {
  beforeAll(async () => {
    service = await begin();
  });
  afterAll(async () => expect(await service.stop()).toMatchObject({ code: 0 }));

  it('is ready', async () => {
    const ready = await service.request('GET', '/health/ready', { key: null });
    expect(expectStatus(ready, 200).body).toMatchObject({ status: 'up' });
  });

  it.each(Object.entries(reads))('answers each of %s as before', async (_, befores) => {
    expect(befores.length).toBeGreaterThan(1);
    expect(await answers<(typeof befores)[number]>(befores, (at) => read(service, at))).toEqual(befores);
  });

  it.each(Object.entries(lists))('lists %s as before', async (_, befores) => {
    expect(befores.length).toBeGreaterThan(1);
    expect(await answers(befores, (at) => rowsOf(service, at))).toEqual(befores);
  });

  it('lists the platforms as before', async () => {
    const { body } = await service.request<{ data: object[] }>('GET', '/v1/platforms', {
      key: service.rootKey,
    });
    expect(narrowed(body.data, expected.platforms)).toEqual(expected.platforms);
  });

  it('finds the users of each filter, in their order, and counts them', async () => {
    const found = await answers(expected.queries, async (query) => {
      const { rows, total } = await rowsOf<User>(service, query);
      return { total, ids: rows.map(({ id }) => id) };
    });
    expect(found).toEqual(expected.queries);
  });

  it('knows of no deleted user', async () => {
    const found = await inParallel(expected.deleted, 8, ({ place, user_id }) =>
      service.request('GET', `/v1/users/${user_id}`, callerOf(place)),
    );
    for (const answer of found) expectProblem(answer, { status: 404, code: 'not_found' });
  });

  if (which === 'first') {
    it('knows when keys were last used', async () => {
      const found = await answers(expected.last_uses, async (at) => {
        const { rows } = await rowsOf<{ id: string; last_used_at: string | null }>(service, at);
        const used = rows.filter(({ last_used_at }) => last_used_at !== null);
        return { uses: Object.fromEntries(used.map(({ id, last_used_at }) => [id, last_used_at])) };
      });
      expect(found).toEqual(expected.last_uses);
    });
  }

  it('verifies keys as before, and refuses for the same reasons', async () => {
    const found = await answers(expected.verifications, async ({ place, key, scope }) => {
      const answer = await post('/v1/keys/verify', { key, ...(scope && { scope }) }, place);
      return { answer: answer.body };
    });
    expect(found).toEqual(expected.verifications);
  });

  it('has the access tokens of connections', async () => {
    const found = await answers(expected.tokens, async ({ path, place }) => post(path, {}, place));
    expect(found).toEqual(expected.tokens);
  });

  it('tells what deletions would remove', async () => {
    const found = await answers(expected.previews, async ({ path, place }) =>
      service.request('DELETE', path, callerOf(place)),
    );
    expect(found).toEqual(expected.previews);
  });
});

describe('life on it', () => {
  beforeAll(async () => {
    service = await begin();
  });

  const duplicate = { status: 409, code: 'duplicate_record' };
  /** The same name to whoever compares without regard to case. */
  const otherCase = (text: string) =>
    text.replace(/[a-z]/gi, (letter) =>
      letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase(),
    );

  it('given what is taken, then 409 names who has it', async () => {
    const tries = expected.identifiers.flatMap(({ place, external_ids, usernames }) => [
      ...external_ids.taken.map(([external_id, id]) => ({ place, id, body: { external_id } })),
      ...usernames.taken.map(([username, id]) => ({ place, id, body: { username } })),
      ...usernames.taken.map(([username, id]) => ({ place, id, body: { username: otherCase(username) } })),
    ]);
    const found = await inParallel(tries, 8, async ({ place, body }) => {
      const answer = await post('/v1/users', body, place);
      const { existing_id: id } = expectProblem(answer, { ...duplicate, field: Object.keys(body)[0] });
      return { place, id, body };
    });
    expect(found).toEqual(tries);
  });

  it('given a taken external_id and if_exists=return, then answers who has it', async () => {
    const user = byExternalId('phoenix-2');
    const answer = await post('/v1/users?if_exists=return', { external_id: 'phoenix-2', label: 'other' });
    expect(narrowed(expectStatus(answer, 200).body, user)).toEqual(user);
  });

  it('given what is free, then new users can have it', async () => {
    const gone = new Set(expected.deleted.map(({ user_id }) => user_id));
    const tries = expected.identifiers.flatMap(({ place, external_ids, usernames }) => [
      ...external_ids.free.map((external_id) => ({ place, body: { external_id } })),
      ...usernames.free.map((username) => ({ place, body: { username } })),
    ]);
    await inParallel(tries, 8, async ({ place, body }) => {
      const user = await createUser(service, body, callerOf(place));
      expect(user).toMatchObject({ ...body, revision: 0 });
      expect(gone).not.toContain(user.id);
      expect((await post('/v1/users', body, place)).body).toMatchObject({ existing_id: user.id });
    });
  });

  it("given tenants' external_ids, then those of living tenants are taken and the others free", async () => {
    for (const { place, taken, free } of expected.tenant_external_ids) {
      for (const [external_id, id] of taken) {
        const answer = await post('/v1/tenants', { name: 'Again', external_id }, place);
        expect(expectProblem(answer, duplicate).existing_id).toBe(id);
      }
      for (const external_id of free) {
        const tenant = expectStatus(await post('/v1/tenants', { name: 'New', external_id }, place), 201).body;
        const inTenant = { ...callerOf(place), headers: { 'x-tenant-id': tenant.id } };
        expect(await createUser(service, { external_id }, inTenant)).toMatchObject({ tenant_id: tenant.id });
      }
    }
  });

  it.each(expected.collisions)(
    'given $older.username and $younger.username, then both live on',
    async (of) => {
      const { place, older, younger } = of;
      for (const { id, username } of [older, younger]) {
        const { existing_id } = expectProblem(await post('/v1/users', { username }, place), duplicate);
        expect([older.id, younger.id]).toContain(existing_id);
        const body = { label: `still ${username}` };
        const answer = await service.request('PATCH', `/v1/users/${id}`, { body, ...callerOf(place) });
        expect(expectStatus(answer, 200).body).toMatchObject({ id, username, ...body });
      }
    },
  );

  it('given an old user, when patched, then the rest stays and its history goes on', async () => {
    const user = byExternalId('many-patches');
    const before = lists.events?.find(({ path }) => path.includes(user.id))?.rows ?? [];
    const changes = { label: 'Umbenannt', metadata: { plan: 'new', nested: { at: [1] } } };
    const { body: patched } = expectStatus(await patch(user.id, changes), 200);
    const { updated_at } = patched;
    const revision = user.revision + 1;
    expect(narrowed(patched, user)).toEqual({ ...user, ...changes, revision, updated_at });
    const path = `/v1/users/${user.id}`;
    expect(narrowed((await get(`${path}?revision=${user.revision}`)).body, user)).toEqual(user);
    expect(narrowed((await get(`${path}?at=${user.updated_at}`)).body, user)).toEqual(user);
    const { rows } = await rowsOf<object>(service, { place: MAIN, path: `${path}/events` });
    expect(narrowed(rows.slice(0, -1), before)).toEqual(before);
    expect(rows.at(-1)).toMatchObject({
      revision,
      changes: { label: { from: user.label, to: 'Umbenannt' }, metadata: { from: user.metadata } },
    });
    const stale = { body: { label: 'no' }, headers: { 'if-match': `"${user.revision}"` } };
    expectProblem(await service.request('PATCH', path, stale), { status: 412, code: 'revision_mismatch' });
    for (const query of ['metadata[plan]=new', 'q=umben', 'external_id=many-patches']) {
      const { rows: found } = await rowsOf<User>(service, { place: MAIN, path: `/v1/users?${query}` });
      expect(found.map(({ id }) => id)).toEqual([user.id]);
    }
  });

  it('given an old username, when its user has another, then it is free', async () => {
    const user = byExternalId('special-strasse');
    expectStatus(await patch(user.id, { username: 'Gasse' }), 200);
    const heir = await createUser(service, { username: 'straße' });
    expect((await post('/v1/users', { username: 'Straße' })).body.existing_id).toBe(heir.id);
    expectProblem(await patch(user.id, { username: 'STRAßE' }), duplicate);
    expect((await post('/v1/users', { username: 'gasse' })).body.existing_id).toBe(user.id);
  });

  it('given an old key, when its user is suspended, then it is refused until they are active again', async () => {
    const { key, answer } = validKeys[0]!;
    const id = String(answer.user_id);
    expectStatus(await patch(id, { status: 'suspended' }), 200);
    expect(await verifyKey(service, key)).toMatchObject({ valid: false, code: 'user_inactive' });
    expectStatus(await patch(id, { status: 'active' }), 200);
    expect(narrowed(await verifyKey(service, key), answer)).toEqual(answer);
    const revoked = await service.request('DELETE', `/v1/users/${id}/keys/${answer.key_id}`);
    expectStatus(revoked, 204);
    expect(await verifyKey(service, key)).toMatchObject({ valid: false, code: 'revoked' });
  });

  it('given an old budget, when spent from, then the ledger goes on', async () => {
    const path = `/v1/users/${byExternalId('long-ledger').id}/budget`;
    const before = (await service.request<{ remaining_usd: string }>('GET', path)).body;
    const spent = await post(`${path}/spend`, { amount_usd: before.remaining_usd });
    expect(expectStatus(spent, 201).body).toMatchObject({ balance_usd: '0.00' });
    expectProblem(await post(`${path}/spend`, { amount_usd: '0.000001' }), {
      status: 409,
      code: 'over_budget',
    });
    const old = lists.transactions?.find((list) => list.path === `${path}/transactions`)?.rows ?? [];
    expect(old.length).toBeGreaterThan(300);
    const { rows } = await rowsOf<object>(service, { place: MAIN, path: `${path}/transactions` });
    expect(narrowed(rows.slice(1), old)).toEqual(old);
  });

  it('no longer has the secret that hashes of the names of old secrets were made with', () => {
    const keys = new DatabaseSync(join(dataDir, 'keys.db'), { readOnly: true });
    const names = keys.prepare('select name from secrets').all();
    keys.close();
    expect(names).not.toContainEqual({ name: 'vault-name' });
  });

  it('given an old secret, when it is replaced, then the new one is read', async () => {
    const path = reads.secrets.find(({ place }) => place === MAIN)?.path ?? '';
    expectStatus(await service.request('PUT', path, { body: { value: 'new ü' } }), 204);
    expect((await get(path)).body).toMatchObject({ value: 'new ü' });
  });

  it.each(['phoenix-1', 'phoenix-2', 'raced', 'of a key'])(
    'given the old user %s, then its deletion ends it',
    async (name) => {
      const { key, answer } = validKeys.find(
        ({ answer: { user_id } }) => user_id !== validKeys[0]?.answer.user_id,
      )!;
      const ofKey = name === 'of a key';
      const user = ofKey ? oldUser(({ id }) => id === answer.user_id) : byExternalId(name);
      const path = `/v1/users/${user.id}`;
      const { raw_key } = await issueKey(service, user.id);
      const preview = await service.request<{ would_remove: object }>('DELETE', `${path}?dry_run=true`);
      expectStatus(await service.request('DELETE', path), 202);
      const { participants, completed_at, personal_data_key_destroyed_at } = await completedDeletion(
        service,
        user.id,
      );
      expect(Object.assign({}, ...participants.map(({ removed }) => removed))).toMatchObject(
        preview.body.would_remove,
      );
      expect([completed_at, personal_data_key_destroyed_at]).toEqual([
        expect.any(String),
        expect.any(String),
      ]);
      expectProblem(await get(path), { status: 404, code: 'not_found' });
      expect(await verifyKey(service, raw_key)).toMatchObject({ valid: false, code: 'revoked' });
      if (ofKey) expect(await verifyKey(service, key)).toMatchObject({ valid: false, code: 'revoked' });
      const { external_id } = user;
      const heir = await createUser(service, { external_id });
      expect([user.id, ...expected.deleted.map(({ user_id }) => user_id)]).not.toContain(heir.id);
      expect((await post('/v1/users', { external_id })).body.existing_id).toBe(heir.id);
    },
  );

  it('given all that, when started again, then it is as it was', async () => {
    const at = { place: MAIN, path: '/v1/users?order=created_at' };
    const before = await rowsOf<User>(service, at);
    expect(await service.stop()).toMatchObject({ code: 0 });
    service = await begin();
    expect(await rowsOf<User>(service, at)).toEqual(before);
    const olds = reads.receipts;
    expect(await answers(olds, (receipt) => read(service, receipt))).toEqual(olds);
  });
});
