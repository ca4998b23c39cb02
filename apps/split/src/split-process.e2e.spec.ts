import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

const RUNNER = 'apps/split/src/fixtures/run-with-fakes.mjs';
const PROGRAM = 'dist/apps/split/src/main.js';

let dataDir: string;

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'tenantry-split-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

interface Started {
  child: ChildProcess;
  /** Resolves with the gateway's address. */
  url: Promise<string>;
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string }>;
}

/** `program` in a process of its own; RUNNER is the built program with stand-ins for the services. */
function start(program: string, env: Record<string, string>): Started {
  const child = spawn(process.execPath, [program], {
    env: {
      PATH: process.env.PATH,
      PORT: '0',
      KAFKA_BROKERS: 'localhost:1',
      TENANTRY_DATA_DIR: dataDir,
      FAKE_PIDS: join(dataDir, 'pids'),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { promise: url, resolve, reject } = Promise.withResolvers<string>();
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    output.stdout += chunk;
    const found = /^Tenantry listens on (http:\S+)\n/m.exec(output.stdout)?.[1];
    if (found) resolve(found);
  });
  child.stderr.on('data', (chunk) => {
    output.stderr += chunk;
  });
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, ...output }));
  ended.then(({ stderr }) => reject(new Error(`it ended: ${stderr}`)));
  url.catch(() => undefined);
  return { child, url, ended };
}

function running(): number[] {
  const file = join(dataDir, 'pids');
  const pids = existsSync(file) ? [...readFileSync(file, 'utf8').matchAll(/\d+/g)].map(Number) : [];
  return pids.filter((pid) => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  });
}

describe('the process of start:split', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'given %s, then ends what it started and exits with 0',
    async (signal) => {
      const { child, url, ended } = start(RUNNER, {});
      expect((await fetch(`${await url}/v1/users`)).status).toBe(200);
      expect(running()).toHaveLength(4);
      child.kill(signal);
      expect(await ended).toMatchObject({ code: 0, signal: null });
      expect(running()).toEqual([]);
    },
  );

  it('given it is killed, then the services notice and end', async () => {
    const { child, url, ended } = start(RUNNER, {});
    await url;
    expect(running()).toHaveLength(4);
    child.kill('SIGKILL');
    expect(await ended).toMatchObject({ signal: 'SIGKILL' });
    while (running().length > 0) await sleep(20);
  });

  it('given a service refuses a setting, then exits with 78 and its line', async () => {
    const { ended } = start(RUNNER, { FAKE_REFUSES: 'budgets' });
    const { code, stdout, stderr } = await ended;
    const plain = stderr.split('\n').filter((line) => line && !line.startsWith('{'));
    expect([code, stdout, plain]).toEqual([78, '', ['DATABASE_URL: is refused (the budgets service)']]);
    expect(running()).toEqual([]);
  });

  it.each([
    [{ KAFKA_BROKERS: '' }, /^KAFKA_BROKERS: is needed by start:split.*\n$/],
    [{ PORT: 'abc' }, /^PORT: must be a whole number.*\n$/],
    [{ HOST: 'no such host' }, /^HOST: cannot be resolved\n$/],
  ])('given %p, then exits with 78 and one line', async (env, line) => {
    const { code, stdout, stderr } = await start(PROGRAM, env).ended;
    expect([code, stdout]).toEqual([78, '']);
    expect(stderr).toMatch(line);
  });

  it('given a second one on its data dir, then that exits with 1 and one line, and the first goes on', async () => {
    const first = start(RUNNER, {});
    const url = await first.url;
    const second = await start(PROGRAM, {}).ended;
    expect([second.code, second.stdout]).toEqual([1, '']);
    expect(second.stderr).toMatch(/^the data dir is already open for writing.*\n$/);
    expect((await fetch(`${url}/v1/users`)).status).toBe(200);
    first.child.kill('SIGTERM');
    expect(await first.ended).toMatchObject({ code: 0 });
  });
});

describe('a service with a channel to who started it', () => {
  it.each([
    ['loads', () => true],
    ['waits for brokers', () => existsSync(join(dataDir, 'log.db.lock'))],
  ])('given that one goes while it %s, then it ends', async (_, isTime) => {
    const child = spawn(process.execPath, ['dist/apps/keys/src/main.js'], {
      env: {
        PATH: process.env.PATH,
        PORT: '0',
        KAFKA_BROKERS: 'localhost:1',
        TENANTRY_DATA_DIR: dataDir,
        TENANTRY_TENANT_USERS_URL: 'http://localhost:1',
      },
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    const ended = once(child, 'exit');
    while (!isTime() && child.exitCode === null) await sleep(20);
    child.disconnect();
    expect(await ended).toEqual([1, null]);
  });
});
