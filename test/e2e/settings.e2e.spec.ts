import { randomBytes } from 'node:crypto';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Service, ServiceExit, ServiceOptions } from '#testing';
import {
  createApiKey,
  createUser,
  failedStart,
  inParallel,
  start,
  temporaryDataDir,
  type User,
} from './support.js';

const EX_CONFIG = 78;

const lines = (text: string): string[] => text.split('\n').filter(Boolean);

interface WrongStart {
  given: string;
  /** The variable that the one line must name. */
  named: string;
  options: () => ServiceOptions;
}

const wrong = (variable: string, value: string): WrongStart => ({
  given: `${variable}=${value}`,
  named: variable,
  options: () => ({ env: { [variable]: value } }),
});

/** A data dir that holds this file; `path` leads on from there. */
const wrongFile = (named: string, file: { name: string; text: string; path?: string }): WrongStart => ({
  given: `the file ${file.name} with "${file.text}" and the data dir ./${file.path ?? ''}`,
  named,
  options: () => {
    const dir = temporaryDataDir();
    writeFileSync(join(dir, file.name), file.text);
    return { dataDir: join(dir, file.path ?? '') };
  },
});

const WRONG: WrongStart[] = [
  wrong('PORT', 'abc'),
  wrong('HOST', 'no such host'),
  wrong('LOG_LEVEL', 'x'),
  wrong('EVENT_STORE_URL', 'http://localhost:2113'),
  wrong('TENANTRY_MASTER_KEY', Buffer.from('short').toString('base64')),
  wrong('TENANTRY_ROOT_KEY', `${createApiKey('root').slice(0, -1)}-`),
  wrongFile('TENANTRY_DATA_DIR', { name: 'file', text: '', path: 'file' }),
  wrongFile('TENANTRY_ROOT_KEY', { name: 'root-key', text: 'garbage' }),
  wrongFile('TENANTRY_MASTER_KEY', { name: 'master-key', text: 'c2hvcnQ=' }),
  wrongFile('TENANTRY_DATA_DIR', { name: 'platform-key', text: 'garbage' }),
];

describe('wrong settings', () => {
  const outcomes = new Map<WrongStart, ServiceExit | Error>();

  beforeAll(async () => {
    await inParallel(WRONG, 4, async (row) => {
      outcomes.set(row, await failedStart(row.options()).catch((error: Error) => error));
    });
  });

  it.each(WRONG)('given $given, then exits with 78 and one line that names $named', (row) => {
    const outcome = outcomes.get(row);
    if (!outcome || outcome instanceof Error) throw outcome;
    expect(lines(outcome.stderr)).toEqual([expect.stringMatching(new RegExp(`^${row.named}: `))]);
    expect([outcome.code, outcome.stdout]).toEqual([EX_CONFIG, '']);
    const value = row.options().env?.[row.named];
    if (value && value.length > 8) expect(outcome.stderr).not.toContain(value);
  });
});

describe('a service that runs on given keys in a data dir that was not there', () => {
  const env = {
    TENANTRY_MASTER_KEY: randomBytes(32).toString('base64'),
    TENANTRY_ROOT_KEY: createApiKey('root'),
  };
  let first: Service;

  beforeAll(async () => {
    first = await start({ dataDir: join(temporaryDataDir(), 'made', 'here'), env });
  });

  it('then the data dir is made for the owner alone', () => {
    expect(statSync(first.dataDir).mode & 0o777).toBe(0o700);
  });

  it('then the keys are used and not written', async () => {
    const answer = await first.request('GET', '/v1/platforms', { key: env.TENANTRY_ROOT_KEY });
    expect(answer.status).toBe(200);
    const files = readdirSync(first.dataDir);
    expect(files).toContain('platform-key');
    expect(files.filter((name) => /master|root/.test(name))).toEqual([]);
  });

  it('when a second process has the same data dir, then it ends with a clear line and the first goes on', async () => {
    const user = await createUser(first, { label: 'first' });
    const { code, stdout, stderr } = await failedStart({ dataDir: first.dataDir, env });
    expect(lines(stderr)).toEqual([expect.stringMatching(/open|in use|another process/)]);
    expect([code !== 0, stdout]).toEqual([true, '']);
    await createUser(first);
    expect((await first.request<User>('GET', `/v1/users/${user.id}`)).body).toEqual(user);
  });

  it('when a second process has the same port, then it exits with 78 and a line that names PORT', async () => {
    const { code, stderr } = await failedStart({ env: { PORT: new URL(first.url).port } });
    expect([code, lines(stderr)]).toEqual([EX_CONFIG, [expect.stringMatching(/^PORT: /)]]);
  });

  it('when it is started again with another master key, then it exits with 78 and names it', async () => {
    await first.stop();
    const other = { ...env, TENANTRY_MASTER_KEY: randomBytes(32).toString('base64') };
    const { code, stderr } = await failedStart({ dataDir: first.dataDir, env: other });
    expect([code, lines(stderr)]).toEqual([EX_CONFIG, [expect.stringMatching(/^TENANTRY_MASTER_KEY: /)]]);
  });
});
