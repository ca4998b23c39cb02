import { randomBytes } from 'node:crypto';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { ServiceExit, ServiceOptions } from '#testing';
import {
  createApiKey,
  createUser,
  inParallel,
  ServiceNotStarted,
  start,
  temporaryDataDir,
  type User,
} from './support.js';

const EX_CONFIG = 78;

/** How the service ends when it cannot start. */
async function failedStart(options: ServiceOptions): Promise<ServiceExit> {
  const error = await start(options).then(
    () => new Error('the service started'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof ServiceNotStarted)) throw error;
  return error.exit;
}

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
  wrong('LOG_LEVEL', 'x'),
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

  it('given another master key than the data was made with, then exits with 78 and names it', async () => {
    const dataDir = temporaryDataDir();
    await (await start({ dataDir })).stop();
    const env = { TENANTRY_MASTER_KEY: randomBytes(32).toString('base64') };
    const { code, stderr } = await failedStart({ dataDir, env });
    expect(lines(stderr)).toEqual([expect.stringMatching(/TENANTRY_MASTER_KEY/)]);
    expect(code).toBe(EX_CONFIG);
  });
});

describe('settings that are right', () => {
  it('given a data dir that is not there yet, then it is made for the owner alone', async () => {
    const dataDir = join(temporaryDataDir(), 'made', 'here');
    const service = await start({ dataDir });
    expect(statSync(dataDir).mode & 0o777).toBe(0o700);
    expect((await service.request('GET', '/v1/users/default')).status).toBe(200);
  });

  it('given both keys in the environment, then they are used and not written', async () => {
    const env = {
      TENANTRY_MASTER_KEY: randomBytes(32).toString('base64'),
      TENANTRY_ROOT_KEY: createApiKey('root'),
    };
    const service = await start({ env });
    expect((await service.request('GET', '/v1/platforms', { key: env.TENANTRY_ROOT_KEY })).status).toBe(200);
    for (const name of ['master-key', 'root-key']) {
      expect(statSync(join(service.dataDir, name), { throwIfNoEntry: false })).toBeUndefined();
    }
  });
});

describe('what only one process can have', () => {
  it('given a data dir in use, then a second process ends with a clear line and the first goes on', async () => {
    const first = await start();
    const user = await createUser(first, { label: 'first' });
    const { code, stdout, stderr } = await failedStart({ dataDir: first.dataDir });
    expect(lines(stderr)).toEqual([expect.stringMatching(/open|in use|another process/)]);
    expect([code !== 0, stdout]).toEqual([true, '']);
    await createUser(first);
    expect((await first.request<User>('GET', `/v1/users/${user.id}`)).body).toEqual(user);
  });

  it('given a port in use, then exits with 78 and a last line that names PORT', async () => {
    const first = await start();
    const { code, stderr } = await failedStart({ env: { PORT: new URL(first.url).port } });
    expect([code, lines(stderr).at(-1)]).toEqual([EX_CONFIG, expect.stringMatching(/^PORT: /)]);
  });

  it('given a host that is none, then exits with 78 and a last line that names HOST', async () => {
    const { code, stderr } = await failedStart({ env: { HOST: 'no such host' } });
    expect([code, lines(stderr).at(-1)]).toEqual([EX_CONFIG, expect.stringMatching(/^HOST: /)]);
  });
});
