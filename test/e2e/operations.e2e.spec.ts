import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Service } from '#testing';
import {
  createUser,
  eventStoreSettings,
  eventually,
  expectStatus,
  FAR_POSITION,
  inParallel,
  numbers,
  start,
  temporaryDataDir,
  tenantUsersDir,
  type User,
} from './support.js';

/** A first start is killed so long after it has made this file. */
const INTERRUPTIONS = [
  { file: process.env.EVENT_STORE_URL ? 'read' : 'log.db', thenMs: 0 },
  { file: 'platform-key', thenMs: 0 },
  { file: 'platform-key', thenMs: 6 },
];

async function startAndKill(dir: string, { file, thenMs }: (typeof INTERRUPTIONS)[number]): Promise<void> {
  const child = spawn(process.execPath, ['dist/apps/all-in-one/src/main.js'], {
    env: { PATH: process.env.PATH, PORT: '0', TENANTRY_DATA_DIR: dir, ...eventStoreSettings(dir) },
    stdio: 'ignore',
  });
  const gone = once(child, 'exit');
  while (!existsSync(join(dir, file)) && child.exitCode === null) await sleep(1);
  await sleep(thenMs);
  child.kill('SIGKILL');
  await gone;
}

describe('the first start', () => {
  const dataDir = temporaryDataDir();
  let first: Service;

  beforeAll(async () => {
    first = await start({ dataDir });
  });

  it('given an empty data dir, then prints the address, the docs, the platform key and a curl', () => {
    const { url, platformKey } = first;
    const said = first.logs();
    expect(said).toContain(`Tenantry listens on ${url}\n`);
    expect(said).toContain(`${url}/docs`);
    expect(said).toMatch(new RegExp(`^ *${platformKey}$`, 'm'));
    expect(said).toContain(`curl -X POST ${url}/v1/users`);
    expect(said).not.toContain(first.rootKey);
  });

  it('given the printed curl, when it is sent as it stands, then creates a user', async () => {
    const said = first.logs();
    const [, method = '', url = ''] = /curl -X (\w+) (\S+)/.exec(said) ?? [];
    const headers = [...said.matchAll(/-H "([^:]+): ([^"]+)"/g)].map(([, name, value]) => [name, value]);
    const [, body = ''] = /-d '([^']+)'/.exec(said) ?? [];
    const answer = await fetch(url, { method, headers: Object.fromEntries(headers), body });
    expect([answer.status, await answer.json()]).toEqual([
      201,
      expect.objectContaining({ external_id: 'alice_db_uuid', label: 'Alice' }),
    ]);
  });

  it.each(['platform-key', 'root-key', 'master-key'])('then %s is for the owner alone', (name) => {
    const file = join(name === 'platform-key' ? tenantUsersDir(dataDir) : dataDir, name);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, 'utf8')).toMatch(/^\S{32,}\n$/);
  });

  it('given a second start, then no key is printed and both keys still work', async () => {
    expect((await first.stop()).code).toBe(0);
    const second = await start({ dataDir });
    expect(second.logs()).toContain(`Tenantry listens on ${second.url}\n`);
    expect(second.logs()).not.toMatch(/tnt_|curl/);
    expect([second.platformKey, second.rootKey]).toEqual([first.platformKey, first.rootKey]);
    expect((await second.request('GET', '/v1/users?external_id=alice_db_uuid')).body).toMatchObject({
      total: 1,
    });
    const platforms = await second.request('GET', '/v1/platforms', { key: second.rootKey });
    expect(platforms.body).toMatchObject({ total: 1 });
    expect(await second.stop()).toMatchObject({ code: 0 });
  });

  it('given first starts that are killed here and there, when started again, then each is finished', async () => {
    await inParallel(INTERRUPTIONS, 3, async (interruption) => {
      const dir = temporaryDataDir();
      await startAndKill(dir, interruption);
      const service = await start({ dataDir: dir });
      const users = await service.request('GET', '/v1/users');
      const platforms = await service.request('GET', '/v1/platforms', { key: service.rootKey });
      expect([interruption, users.body, platforms.body]).toEqual([
        interruption,
        expect.objectContaining({ total: 1 }),
        expect.objectContaining({ total: 1 }),
      ]);
      await createUser(service);
      await service.kill();
    });
  });
});

interface Readiness {
  parts: { name: string; status: string }[];
  projections: { lag: number }[];
}

describe('what operators read', () => {
  let service: Service;
  const open = (path: string) => service.request(`GET`, path, { key: null });

  beforeAll(async () => {
    service = await start();
    await createUser(service);
    await service.request('GET', '/v1/nothing');
  });

  it('/health/live answers', async () => {
    expect(expectStatus(await open('/health/live'), 200).body).toEqual({ status: 'up' });
  });

  it('/health/ready has each part with its state, and the projections with their lag', async () => {
    const ready = await eventually(
      () => service.request<Readiness>('GET', '/health/ready', { key: null }),
      ({ body }) => body.projections.every(({ lag }) => lag === 0),
    );
    const parts = ['message_bus', 'read_database', 'durable_database', 'key_store', 'event_store'];
    const { body } = expectStatus(ready, 200);
    // Of several processes, each has its own.
    const names = new Set(body.parts.map(({ name }) => name.replace(/^.*\//, '')));
    expect([...names]).toEqual(parts);
    expect(body.parts.map(({ status }) => status)).toEqual(body.parts.map(() => 'up'));
    expect(body).toMatchObject({
      status: 'up',
      projections: expect.arrayContaining([
        expect.objectContaining({ name: 'user-directory', state: 'running', lag: 0 }),
        expect.objectContaining({ name: 'lifecycle-relay', state: 'running', lag: 0 }),
      ]),
      consumers: expect.arrayContaining(
        ['tenant-users', 'keys', 'budgets', 'connections'].map((group) => expect.objectContaining({ group })),
      ),
    });
  });

  it('/metrics is Prometheus text', async () => {
    const { headers, text } = expectStatus(await open('/metrics'), 200);
    expect(headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const comment = /^# (HELP|TYPE) [a-zA-Z_:][\w:]* .+$/;
    const sample = /^[a-zA-Z_:][\w:]*(\{.*\})? (-?[\d.]+(e[+-]?\d+)?|NaN|[+-]Inf)$/i;
    for (const line of text.split('\n').filter(Boolean))
      expect(line).toMatch(line.startsWith('#') ? comment : sample);
    expect(text).toMatch(/tenantry_http_request_duration_seconds_count\{.*route="\/v1\/users".*\} 1/);
    expect(text).toMatch(/tenantry_projection_lag\{.*name="user-directory",state="running"\} \d+/);
  });

  it('/openapi.json has every route of this version, and /docs shows it', async () => {
    type Api = { openapi: string; paths: Record<string, Record<string, unknown>> };
    const { body } = await service.request<Api>('GET', '/openapi.json', { key: null });
    expect(body.openapi).toMatch(/^3\./);
    const routes = Object.entries(body.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(routes).toEqual(
      expect.arrayContaining([
        'POST /v1/users',
        'GET /v1/users/{id}/deletion',
        'POST /v1/keys/verify',
        'POST /v1/users/{id}/budget/spend',
        'PUT /v1/users/{id}/vault/{name}',
        'POST /v1/platforms',
        'POST /v1/projections/{name}/rebuild',
      ]),
    );
    const page = expectStatus(await open('/docs'), 200);
    expect(page.headers.get('content-type')).toMatch(/^text\/html/);
    expect(page.text).toContain('<!DOCTYPE html>');
    for (const [, asset = ''] of page.text.matchAll(/(?:src|href)="([^"]+\.(?:js|css))"/g)) {
      const { status, text } = await open(new URL(asset, `${service.url}/docs`).pathname);
      expect([asset, status, text.length > 0]).toEqual([asset, 200, true]);
    }
  });

  it('the list of platforms is walked with cursors and totals like any other', async () => {
    const key = service.rootKey;
    for (const name of ['one', 'two', 'three']) {
      expectStatus(await service.request('POST', '/v1/platforms', { key, body: { name } }), 201);
    }
    type List = { data: { name: string }[]; next_cursor: string | null; total: number };
    const first = await service.request<List>('GET', '/v1/platforms?limit=3', { key });
    expect(first.body.data.map(({ name }) => name)).toEqual(['three', 'two', 'one']);
    const next = `/v1/platforms?limit=3&cursor=${first.body.next_cursor}`;
    const second = await service.request<List>('GET', next, { key });
    expect([second.body.data.length, second.body.next_cursor, second.body.total]).toEqual([1, null, 4]);
  });
});

describe('SIGTERM', () => {
  it('given it comes the moment the service says that it listens, then exits with 0 each of 2 times', async () => {
    for (let round = 0; round < 2; round++) {
      expect(await (await start()).stop()).toMatchObject({ code: 0, signal: null });
    }
  });

  it('given load, then finishes what is under way, exits with 0 and has lost nothing', async () => {
    const dataDir = temporaryDataDir();
    const service = await start({ dataDir });
    const acknowledged: User[] = [];
    const others: { status: number; text: string }[] = [];
    const load = numbers(20).map(async () => {
      for (;;) {
        const answer = await service
          .request<User>('POST', '/v1/users', { body: { label: 'under load' } })
          .catch(() => undefined);
        if (!answer) return; // the connection is closed or refused: nothing was promised
        if (answer.status === 201) acknowledged.push(answer.body);
        else others.push({ status: answer.status, text: answer.text });
      }
    });
    const headers = { 'tenantry-min-position': FAR_POSITION };
    const waiting = service.request('GET', '/v1/users', { headers });
    await eventually(
      async () => acknowledged.length,
      (count) => count > 100,
    );
    const { code } = await service.stop();
    await Promise.all(load);
    expect(code).toBe(0);
    // It was under way for the two seconds that a read waits, so it was answered, not cut off.
    expect((await waiting).status).toBe(503);
    for (const { status, text } of others) {
      expect([status, JSON.parse(text)]).toEqual([503, expect.objectContaining({ code: 'unavailable' })]);
    }
    const failures = service.logs().match(/^.*"level":"(error|fatal)".*$/gm) ?? [];
    expect(failures.filter((line) => !line.includes('"projection_behind"'))).toEqual([]);

    const again = await start({ dataDir });
    for (const user of acknowledged) {
      expect((await again.request('GET', `/v1/users/${user.id}`)).body).toEqual(user);
    }
    const { body } = await again.request<{ total: number }>('GET', '/v1/users');
    expect(body.total).toBeGreaterThanOrEqual(acknowledged.length + 1);
  });
});
