import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { InvalidSetting, loadSettings } from '#platform';
import { SERVICES } from './routes.js';
import { runSplit } from './split.js';

const FAKE = resolve('apps/split/src/fixtures/fake-service.mjs');
const folders: string[] = [];
const runs: Run[] = [];

interface Fake {
  name: string;
  pid: number;
  port: number;
}

/** Everything in this process but the services, which are stand-ins in processes of their own. */
class Run {
  readonly lines: string[] = [];
  readonly errors: string[] = [];
  private readonly stopping = Promise.withResolvers<void>();
  private readonly announced = Promise.withResolvers<string>();
  readonly ended: Promise<void>;

  constructor(
    env: Record<string, string> = {},
    readonly dataDir = mkdtempSync(join(tmpdir(), 'tenantry-split-')),
  ) {
    folders.push(dataDir);
    runs.push(this);
    const all = {
      PORT: '0',
      KAFKA_BROKERS: 'localhost:1',
      LOG_LEVEL: 'silent',
      TENANTRY_DATA_DIR: dataDir,
      FAKE_PIDS: join(dataDir, 'pids'),
      ...env,
    };
    this.ended = runSplit({
      settings: loadSettings(all),
      env: all,
      programOf: () => FAKE,
      printError: (line) => this.errors.push(line),
      stop: this.stopping.promise,
      print: (text) => {
        this.lines.push(...text.split('\n'));
        const url = /^Tenantry listens on (\S+)/.exec(text)?.[1];
        if (url) this.announced.resolve(url);
      },
    });
    this.ended.catch(this.announced.reject);
    this.announced.promise.catch(() => undefined);
  }

  get url(): Promise<string> {
    return this.announced.promise;
  }

  async get(path: string): Promise<Response> {
    return fetch(`${await this.url}${path}`);
  }

  async fake(path: string): Promise<Fake> {
    return (await this.get(path)).json() as Promise<Fake>;
  }

  stop(): Promise<void> {
    this.stopping.resolve();
    return this.ended;
  }

  /** The processes that were started, in order. */
  pids(): number[] {
    const file = join(this.dataDir, 'pids');
    return existsSync(file) ? [...readFileSync(file, 'utf8').matchAll(/\d+/g)].map(Number) : [];
  }

  running(): number[] {
    return this.pids().filter(isRunning);
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10);
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

// What a failing test leaves would keep the whole run of the tests from ending.
afterEach(() => Promise.allSettled(runs.splice(0).map((run) => run.stop())));
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

describe('four services and the gateway', () => {
  it('given all is well, then tells the address, then what a service says of itself, and ends at a signal', async () => {
    const run = new Run();
    const url = await run.url;
    await run.fake('/v1/users');
    expect(run.lines).toEqual([
      `Tenantry listens on ${url}`,
      `The API's documentation is at ${url}/docs`,
      '',
      'Your platform key:',
      `  curl ${url}/v1/users`,
    ]);
    const names = ['/v1/users', '/v1/keys', '/v1/users/1/budget', '/v1/providers'].map(
      async (path) => (await run.fake(path)).name,
    );
    expect(await Promise.all(names)).toEqual([...SERVICES]);
    expect((await run.get('/health/ready')).status).toBe(200);
    expect((await run.get('/internal/x')).status).toBe(404);
    const logs = SERVICES.map((service) => `{"service":"${service}","level":"info","msg":"starts"}`);
    expect(run.errors.sort()).toEqual(logs.sort());
    await run.stop();
    expect(run.running()).toEqual([]);
    await expect(fetch(`${url}/v1/users`)).rejects.toThrow('fetch failed');
  });

  it.each(['SIGKILL', 'crash'])(
    'given a service ended by %s, then 503, and it is started again',
    async (by) => {
      const run = new Run();
      const first = await run.fake('/v1/keys');
      const other = await run.fake('/v1/users');
      if (by === 'SIGKILL') process.kill(first.pid, 'SIGKILL');
      else expect((await run.get('/v1/keys?crash')).status).toBe(503);
      await until(() => !isRunning(first.pid));
      let answer = await run.get('/v1/keys');
      expect(answer.status).toBe(503);
      while (answer.status === 503) {
        await sleep(20);
        answer = await run.get('/v1/keys');
      }
      const second = (await answer.json()) as Fake;
      expect([second.name, second.pid === first.pid]).toEqual(['keys', false]);
      expect(run.errors.filter((line) => !line.startsWith('{'))).toEqual(
        by === 'crash' ? ['keys: crashes'] : [],
      );
      expect(await run.fake('/v1/users')).toMatchObject({ pid: other.pid });
      await run.stop();
      expect(run.running()).toEqual([]);
    },
  );

  it('given a service whose port another process takes once it has ended, then it is back at another', async () => {
    const run = new Run();
    const first = await run.fake('/v1/keys');
    process.kill(first.pid, 'SIGKILL');
    await until(() => !isRunning(first.pid));
    const taken = createServer().listen(first.port, '127.0.0.1');
    await once(taken, 'listening');
    await until(() => run.pids().length > SERVICES.length);
    let answer = await run.get('/v1/keys');
    for (; answer.status === 503; answer = await run.get('/v1/keys')) await sleep(20);
    expect(((await answer.json()) as Fake).port).not.toBe(first.port);
    taken.close();
    await run.stop();
  });

  it('given requests under way and a signal, then they are answered, and nothing is left', async () => {
    const run = new Run();
    await run.url;
    const slow = ['/v1/keys?slow=600', '/v1/users?slow=600'].map((path) => run.get(path));
    await until(() => run.lines.filter((line) => line.endsWith('has a slow request')).length === 2);
    const ended = run.stop();
    expect((await Promise.all(slow)).map(({ status }) => status)).toEqual([200, 200]);
    await ended;
    expect(run.running()).toEqual([]);
  });

  it('given a request that never ends and a service that heeds no signal, then it is killed in time', async () => {
    const run = new Run();
    await run.url;
    const frozen = run.get('/v1/keys?frozen').then(
      ({ status }) => status,
      () => 'cut off',
    );
    await until(() => run.lines.includes('keys is frozen'));
    await expect(run.stop()).rejects.toThrow('a service did not end in time and was killed');
    expect(await frozen).not.toBe(200);
    expect(run.running()).toEqual([]);
  });

  it('given a signal while the services start, then ends and says nothing', async () => {
    const run = new Run({ FAKE_CRASHES: 'budgets' });
    await until(() => run.pids().length > SERVICES.length);
    await run.stop();
    expect([run.lines, run.running()]).toEqual([[], []]);
    expect(run.errors).toContain('budgets: Error: a crash at start');
  });
});

describe('wrong settings', () => {
  it.each(['keys', SERVICES.join()])('given %s refuse one, then all ends with it', async (FAKE_REFUSES) => {
    const run = new Run({ FAKE_REFUSES });
    const error = await run.ended.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(InvalidSetting);
    expect((error as Error).message).toMatch(/^DATABASE_URL: is refused \(the \S+ service\)$/);
    expect([run.lines, run.running()]).toEqual([[], []]);
    // Others that refuse it too before they are stopped say so themselves.
    const refusal = /^\S+: DATABASE_URL: is refused$/;
    expect(run.errors.filter((line) => !line.startsWith('{') && !refusal.test(line))).toEqual([]);
  });

  it('given no brokers, then names the setting and what helps', async () => {
    const run = new Run({ KAFKA_BROKERS: '' });
    await expect(run.ended).rejects.toThrow(
      'KAFKA_BROKERS: is needed by start:split; "npm run backends" starts brokers to try it',
    );
  });

  it('given a port that is taken, then starts no service', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const run = new Run({ PORT: String((taken.address() as { port: number }).port) });
    await expect(run.ended).rejects.toThrow(/^PORT: is in use by another process$/);
    expect(run.pids()).toEqual([]);
    taken.close();
  });

  it('given a data dir that is in use, then refuses it, and the first goes on', async () => {
    const first = new Run();
    await first.url;
    const second = new Run({}, first.dataDir);
    await expect(second.ended).rejects.toThrow('the data dir is already open for writing');
    expect((await first.get('/v1/users')).status).toBe(200);
    await first.stop();
    const third = new Run({}, first.dataDir);
    expect((await third.get('/v1/users')).status).toBe(200);
    await third.stop();
  });
});
