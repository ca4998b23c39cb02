import { randomBytes } from 'node:crypto';
import { rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Service } from '#testing';
import {
  completedDeletion,
  createUser,
  eventually,
  expectStatus,
  issueKey,
  start,
  temporaryDataDir,
  tenantUsersDir,
  type User,
} from './support.js';
import { formsOf, tracesIn, tracesUnder } from './traces.js';

/** A text that occurs nowhere else; none of its characters is safe from escaping. */
const canary = (name: string): string => `${name}-${randomBytes(9).toString('hex')}-Zoë "ß"`;
/** Where only letters, digits and dashes are taken. */
const slug = (name: string): string => `${name}-${randomBytes(9).toString('hex')}`;

const EMAIL = `canary-${randomBytes(9).toString('hex')}@example.com`;
const PHONE = `+41${Math.floor(Math.random() * 1e12)}0`.slice(0, 15);
const PERSON = {
  external_id: canary('external'),
  email: EMAIL,
  username: canary('username'),
  first_name: canary('first'),
  middle_name: canary('middle'),
  last_name: canary('last'),
  phone_number: PHONE,
  label: canary('label'),
  role: slug('role'),
  teams: [slug('team')],
  metadata: { [canary('meta-key')]: canary('meta-value'), deep: [{ note: canary('deep') }] },
};
const LATER = { label: canary('later-label'), metadata: { plan: canary('later-meta') } };
const KEY_NAME = canary('key-name');
const DESCRIPTION = canary('description');
const SECRETS = [canary('secret'), canary('second-secret')];

const textsIn = (value: unknown): string[] =>
  typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([name, child]) => [name, ...textsIn(child)])
    : [String(value)];
const PERSONAL = [...textsIn(PERSON), ...textsIn(LATER), KEY_NAME, DESCRIPTION, ...SECRETS].filter(
  (text) => /-[0-9a-f]{18}/.test(text) || text === PHONE,
);

describe('what is left of a person', () => {
  let service: Service;
  const dataDir = temporaryDataDir();
  let user: User;
  let rawKeys: string[];

  beforeAll(async () => {
    service = await start({ dataDir, env: { LOG_LEVEL: 'trace' } });
    user = await createUser(service, PERSON);
    const path = `/v1/users/${user.id}`;
    const named = await service.request<{ raw_key: string }>('POST', `${path}/keys`, {
      body: { name: KEY_NAME },
    });
    rawKeys = [named.body.raw_key, (await issueKey(service, user.id)).raw_key];
    expectStatus(await service.request('PATCH', path, { body: LATER }), 200);
    const budget = { body: { limit_usd: '25.00', period: 'monthly' } };
    expectStatus(await service.request('PUT', `${path}/budget`, budget), 200);
    const spend = { body: { amount_usd: '1.25', description: DESCRIPTION } };
    expectStatus(await service.request('POST', `${path}/budget/spend`, spend), 201);
    for (const [index, value] of SECRETS.entries()) {
      // The first value is overwritten by the second one under one name.
      const put = await service.request('PUT', `${path}/vault/${index < 2 ? 'one' : 'two'}`, {
        body: { value },
      });
      expectStatus(put, 204);
    }
  });

  it('given a file that holds one, when the folder is scanned, then finds it in each form', () => {
    const file = join(dataDir, 'canary');
    for (const [form, bytes] of formsOf(PERSON.label)) {
      writeFileSync(file, Buffer.concat([randomBytes(64), bytes, randomBytes(64)]));
      expect(tracesUnder(dataDir, PERSONAL)).toContainEqual({ file: 'canary', value: PERSON.label, form });
    }
    for (let shift = 0; shift < 3; shift++) {
      writeFileSync(file, Buffer.from(`${'x'.repeat(shift)}${EMAIL}tail`).toString('base64'));
      expect(tracesUnder(dataDir, [EMAIL])).not.toEqual([]);
    }
    rmSync(file);
    expect(PERSONAL).toHaveLength(19);
  });

  it('given the living person, then all of it is readable through the API', async () => {
    const answers = await Promise.all(
      ['', '/keys', '/budget/transactions', '/vault/one'].map((rest) =>
        service.request('GET', `/v1/users/${user.id}${rest}`),
      ),
    );
    const shown = answers.map(({ text }) => text).join('\n');
    for (const value of [PERSON.external_id, EMAIL, LATER.label, KEY_NAME, DESCRIPTION, SECRETS[1]]) {
      expect(shown).toContain(JSON.stringify(value).slice(1, -1));
    }
  });

  it('given the living person, then no file holds anything in clear, the journals included', () => {
    const journal = process.env.EVENT_STORE_URL ? 'read/user-directory.db-wal' : 'log.db-wal';
    expect(statSync(join(tenantUsersDir(dataDir), journal)).size).toBeGreaterThan(0);
    expect(tracesUnder(dataDir, [...PERSONAL, ...rawKeys])).toEqual([]);
  });

  it('given requests that are refused, then the answers and the metrics do not repeat what was sent', async () => {
    const texts = await Promise.all([
      service.request('POST', '/v1/users', { body: PERSON }),
      service.request('POST', '/v1/users', { body: { email: PERSON.label } }),
      service.request('POST', '/v1/users', { body: `{"email": "${EMAIL}", ` }),
      service.request('PATCH', `/v1/users/${user.id}`, { body: { status: PERSON.username } }),
      service.request('PATCH', `/v1/users/${user.id}`, { body: { label: [PERSON.label] } }),
      service.request('GET', `/v1/users/${encodeURIComponent(PERSON.label)}`),
      service.request('GET', `/v1/users?cursor=${encodeURIComponent(PERSON.label)}`),
      service.request('GET', `/v1/users?external_id=${encodeURIComponent(PERSON.external_id)}`, {
        key: null,
      }),
      service.request('GET', '/v1/users', { key: rawKeys[0] ?? null }),
      service.request('GET', '/v1/users', { key: `${service.platformKey}x` }),
      service.request('GET', '/metrics'),
      service.request('GET', '/health/ready'),
    ]);
    for (const { text } of texts) {
      expect(tracesIn(Buffer.from(text), 'answer', [...PERSONAL, ...rawKeys])).toEqual([]);
    }
    for (const { text } of texts.slice(-2)) expect(text).not.toContain(user.id);
  });

  it('given the deletion is completed, then no file holds anything in clear', async () => {
    expectStatus(await service.request('DELETE', `/v1/users/${user.id}`), 202);
    await completedDeletion(service, user.id);
    expect(tracesUnder(dataDir, [...PERSONAL, ...rawKeys])).toEqual([]);
  });

  it('given a rebuild of the directory after that, then still nothing', async () => {
    const path = '/v1/projections/user-directory/rebuild';
    const key = service.rootKey;
    expectStatus(await service.request('POST', path, { key, body: {} }), 202);
    const ask = () => service.request<{ state: string }>('GET', path, { key });
    const done = await eventually(ask, ({ body }) => body.state !== 'running');
    expect(done.body).toMatchObject({ state: 'completed' });
    expect(tracesUnder(dataDir, [...PERSONAL, ...rawKeys])).toEqual([]);
  });

  it('given a stop and another start, then neither files nor logs ever held any of it', async () => {
    const ended = await service.stop();
    expect(ended.code).toBe(0);
    expect(tracesUnder(dataDir, [...PERSONAL, ...rawKeys])).toEqual([]);
    const again = await start({ dataDir, env: { LOG_LEVEL: 'trace' } });
    expect((await again.request('GET', `/v1/users/${user.id}/deletion`)).status).toBe(200);
    const second = await again.stop();
    expect(tracesUnder(dataDir, [...PERSONAL, ...rawKeys])).toEqual([]);

    const logs = Buffer.from([ended, second].map(({ stdout, stderr }) => stdout + stderr).join('\n'));
    expect(logs.length).toBeGreaterThan(0);
    const { platformKey, rootKey } = service;
    expect(tracesIn(logs, 'logs', [...PERSONAL, ...rawKeys, rootKey])).toEqual([]);
    expect(ended.stderr + second.stdout + second.stderr).not.toContain(platformKey);
    expect(ended.stdout.split(platformKey)).toHaveLength(3); // on a line of its own and in the curl
  });
});
