// Users whose keys are damaged: what is not personal of them is shown, and they can be suspended and deleted.
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Service } from '#testing';
import { EMBEDDED } from './earlier-data-dir.js';
import {
  completedDeletion,
  createEquippedUser,
  createUser,
  expectProblem,
  expectStatus,
  start,
  temporaryDataDir,
  type User,
  verifyKey,
} from './support.js';

const PERSON = { external_id: 'lost', username: 'lost', email: 'lost@example.com', label: 'Lost One' };
const NOBODY = { external_id: null, username: null, email: null, label: null, role: null, metadata: {} };

const dataDir = temporaryDataDir();
let service: Service;
let user: User & { rawKey: string };
let other: User;

const begin = () => start({ ...EMBEDDED, dataDir });
const ask = <Body = { data: object[]; total: number }>(method: string, path: string, body?: object) =>
  service.request<Body>(method as 'GET', path, body ? { body } : {});
const path = (rest = ''): string => `/v1/users/${user.id}${rest}`;

/** Of the user, in all services. */
function damageKeys(): void {
  const log = new DatabaseSync(join(dataDir, 'log.db'), { readOnly: true });
  const named = "data ->> '$.subject_key' IS NOT NULL AND stream LIKE '%-' || ?";
  const ids = log
    .prepare(`SELECT DISTINCT data ->> '$.subject_key' AS id FROM events WHERE ${named}`)
    .all(user.id);
  log.close();
  expect(ids).toHaveLength(4);
  const keys = new DatabaseSync(join(dataDir, 'keys.db'));
  const damage = keys.prepare('UPDATE subject_keys SET wrapped = randomblob(length(wrapped)) WHERE id = ?');
  for (const { id } of ids) damage.run(Number(id));
  keys.close();
}

describe('a user whose keys are damaged', () => {
  beforeAll(async () => {
    service = await begin();
    user = await createEquippedUser(service, PERSON);
    const spend = { amount_usd: '1.00', description: 'chat' };
    expectStatus(await ask('POST', path('/budget/spend'), spend), 201);
    other = await createUser(service, { label: 'Other One' });
    await service.stop();
    damageKeys();
    service = await begin();
  });
  afterAll(() => service.stop());

  it('is shown as nobody, alone and in lists, and found by its external_id', async () => {
    expect((await ask('GET', path())).body).toMatchObject({ id: user.id, status: 'active', ...NOBODY });
    expect((await ask('GET', '/v1/users?limit=2')).body.data).toMatchObject([
      other,
      { id: user.id, ...NOBODY },
    ]);
    expect((await ask('GET', '/v1/users?q=one')).body).toMatchObject({ data: [{ id: other.id }], total: 1 });
    const named = await ask('GET', '/v1/users?external_id=lost');
    expect(named.body).toMatchObject({ data: [{ id: user.id, ...NOBODY }], total: 1 });
    expect((await ask('GET', path('?revision=0'))).body).toMatchObject(NOBODY);
    expectStatus(await ask('GET', path('/events')), 200);
  });

  it('has keys, a budget and secrets, without their names and descriptions', async () => {
    expect((await ask('GET', path('/keys'))).body).toMatchObject({
      data: [{ name: null, status: 'active' }],
    });
    expect((await ask('GET', path('/budget'))).body).toMatchObject({ remaining_usd: '9.00' });
    const spent = (await ask('GET', path('/budget/transactions'))).body.data[0];
    expect(spent).toMatchObject({ type: 'spend', amount_usd: '-1.00', description: null });
    expect((await ask('GET', path('/vault'))).body).toMatchObject({ data: [{ name: null, version: 1 }] });
    expect(await verifyKey(service, user.rawKey)).toMatchObject({ valid: true });
  });

  it.each([
    ['PATCH', '', { label: 'New' }],
    ['POST', '/keys', { name: 'laptop' }],
    ['POST', '/budget/spend', { amount_usd: '1.00', description: 'chat' }],
    ['PUT', '/vault/bank', { value: 's3cr3t' }],
    ['GET', '/vault/openai_key', undefined],
    ['DELETE', '/vault/openai_key', undefined],
  ] as const)('is told apart from a fault of the service: %s %s is refused', async (method, rest, body) => {
    expectProblem(await ask(method, path(rest), body), { status: 409, code: 'illegal_state' });
  });

  it('is suspended, and deleted to the receipt, and its external_id is free again', async () => {
    expect((await ask('PATCH', path(), { status: 'suspended' })).body).toMatchObject({ status: 'suspended' });
    expect(await verifyKey(service, user.rawKey)).toMatchObject({ valid: false });
    expectStatus(await ask('DELETE', path()), 202);
    const { participants } = await completedDeletion(service, user.id);
    expect(participants.map(({ removed }) => removed)).toEqual(
      expect.arrayContaining([{ keys: 1 }, { budgets: 1 }, { secrets: 1 }]),
    );
    expect((await createUser(service, PERSON)).id).not.toBe(user.id);
  });
});
