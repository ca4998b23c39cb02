import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Injectable, Module, Post } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { PlatformModule } from '../platform.module.js';
import { createApp, startFollowing } from '../serve.js';
import { loadSettings } from '../settings.js';
import { createApiKey, hashApiKey } from './api-key.js';
import { type PlatformAccess, PlatformKeys } from './caller.js';
import { RequireScope } from './requirement.js';

const TENANTS = {
  one: '11111111-1111-4111-8111-111111111111',
  two: '22222222-2222-4222-8222-222222222222',
} as const;
const KEY = createApiKey('plat');

@Injectable()
class TwoTenants extends PlatformKeys {
  async resolve(keyHash: string, tenantId?: string): Promise<PlatformAccess | 'unknown' | 'no_tenant'> {
    if (keyHash !== hashApiKey(KEY)) return 'unknown';
    const id = Object.values(TENANTS).find((known) => known === (tenantId ?? TENANTS.one));
    if (id === undefined) return 'no_tenant';
    return {
      keyId: 'key',
      platformId: 'platform',
      scopes: ['users:read'],
      expiresAt: null,
      onlyTenantId: null,
      tenant: { id, defaultUserId: id },
      defaultAccountKitId: 'kit',
    };
  }
}

/** Requests that are in work, by what lets each go on. */
const inWork: { name: string; end: () => void }[] = [];

@Controller('tasks')
class WorkController {
  @Get(':name')
  @RequireScope('users:read')
  async work(): Promise<object> {
    const { promise, resolve } = Promise.withResolvers<void>();
    inWork.push({ name: `work ${begun++}`, end: resolve });
    await promise;
    return {};
  }

  @Post(':name')
  @RequireScope('users:read')
  workOnBody(): Promise<object> {
    return this.work();
  }

  @Get('at/once')
  @RequireScope('users:read')
  atOnce(): object {
    return {};
  }

  @Get('for/writers')
  @RequireScope('users:write')
  forWriters(): object {
    return {};
  }
}
let begun = 0;

@Module({
  controllers: [WorkController],
  providers: [{ provide: PlatformKeys, useClass: TwoTenants }],
  exports: [PlatformKeys],
})
class WorkModule {}

let app: NestFastifyApplication;
let dataDir: string;

async function start(env: NodeJS.ProcessEnv): Promise<void> {
  const settings = loadSettings({ TENANTRY_DATA_DIR: dataDir, LOG_LEVEL: 'silent', ...env });
  class TestModule {}
  const global = { module: WorkModule, global: true };
  app = await createApp({ module: TestModule, imports: [PlatformModule.forRoot(settings), global] }, []);
  await startFollowing(app);
}

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tenantry-limits-'));
  inWork.length = 0;
});
afterEach(async () => {
  for (const { end } of inWork) end();
  await app.close();
  await rm(dataDir, { recursive: true });
});

const get = (path: string, tenant: string = TENANTS.one, key = KEY) =>
  app.inject({ url: path, headers: { authorization: `Bearer ${key}`, 'x-tenant-id': tenant } });

describe('requests of a platform key', () => {
  it('given its share in one tenant is used up, then 429 there, and other tenants and keys go on', async () => {
    await start({ TENANTRY_RATE_LIMIT_REQUESTS: '2', TENANTRY_RATE_LIMIT_WINDOW_SECONDS: '3600' });
    for (let count = 0; count < 5; count++) {
      expect((await get('/tasks/at/once', TENANTS.one, createApiKey('plat'))).statusCode).toBe(401);
    }
    expect((await get('/tasks/at/once')).statusCode).toBe(200);
    expect((await get('/tasks/for/writers')).statusCode).toBe(403);
    const refused = await get('/tasks/at/once');
    expect([refused.statusCode, refused.json().code]).toEqual([429, 'rate_limited']);
    expect(refused.headers['content-type']).toContain('application/problem+json');
    expect(refused.headers['retry-after']).toMatch(/^(3600|3[45]\d\d)$/);
    expect((await get('/tasks/at/once', TENANTS.two)).statusCode).toBe(200);
    for (const status of [404, 404, 429]) {
      expect((await get('/tasks/at/once', '33333333-3333-4333-8333-333333333333')).statusCode).toBe(status);
    }
  });

  it('given no limit, then any number is served', async () => {
    await start({});
    for (let count = 0; count < 50; count++) expect((await get('/tasks/at/once')).statusCode).toBe(200);
  });
});

describe('requests in work at once', () => {
  const until = async (holds: () => boolean) => {
    while (!holds()) await sleep(1);
  };

  it('given one tenant floods, when another asks, then it is served after one turn of the flood', async () => {
    await start({ TENANTRY_MAX_CONCURRENT_REQUESTS: '2' });
    const answered: string[] = [];
    const ask = (tenant: keyof typeof TENANTS) =>
      get('/tasks/any', TENANTS[tenant]).then(({ statusCode }) => answered.push(`${tenant} ${statusCode}`));
    const flood = Array.from({ length: 40 }, () => ask('one'));
    await until(() => inWork.length === 2);
    const single = ask('two');
    // One that is refused before any waiting shows that the single one, sent before it, has come in.
    expect((await get('/tasks/any', TENANTS.two, createApiKey('plat'))).statusCode).toBe(401);
    while (answered.length < 41) {
      await until(() => inWork.length > 0);
      inWork.shift()?.end();
      const count = answered.length;
      await until(() => answered.length > count);
    }
    await Promise.all([...flood, single]);
    expect(answered.indexOf('two 200')).toBeLessThan(6);
    expect(answered.filter((it) => it === 'one 200')).toHaveLength(40);
  });

  it('given many large bodies, then few of them are in work at once, and small requests beside them', async () => {
    await start({});
    const post = (bytes: number) =>
      app.inject({
        method: 'POST',
        url: '/tasks/any',
        headers: { authorization: `Bearer ${KEY}` },
        payload: { text: 'x'.repeat(bytes) },
      });
    const large = Array.from({ length: 10 }, () => post(5_000));
    await until(() => inWork.length === 4);
    const small = Array.from({ length: 20 }, () => post(100));
    await until(() => inWork.length === 24);
    for (let ended = 0; ended < 30; ended++) {
      await until(() => inWork.length > 0);
      inWork.shift()?.end();
    }
    const answers = await Promise.all([...large, ...small]);
    expect(answers.map(({ statusCode }) => statusCode)).toEqual(answers.map(() => 201));
  });

  it('given more requests of one tenant than may wait, then 503 to those beyond, and others are served', async () => {
    await start({ TENANTRY_MAX_CONCURRENT_REQUESTS: '1' });
    let refused = 0;
    const first = get('/tasks/any');
    await until(() => inWork.length === 1);
    const flood = Array.from({ length: 2_100 }, async () => {
      const { statusCode, headers, json } = await get('/tasks/at/once');
      if (statusCode === 503) {
        refused++;
        expect([headers['retry-after'], json().code]).toEqual(['1', 'unavailable']);
      }
      return statusCode;
    });
    await until(() => refused > 0);
    const single = get('/tasks/at/once', TENANTS.two);
    inWork[0]?.end();
    expect((await single).statusCode).toBe(200);
    await first;
    expect(new Set(await Promise.all(flood))).toEqual(new Set([200, 503]));
    expect((await get('/tasks/at/once')).statusCode).toBe(200);
  });

  it('given callers that hang up while they work or wait, then no place is lost to them', async () => {
    await start({ TENANTRY_MAX_CONCURRENT_REQUESTS: '1' });
    await app.listen({ port: 0, host: '127.0.0.1' });
    const url = `${await app.getUrl()}/tasks/any`;
    const headers = { authorization: `Bearer ${KEY}` };
    for (let round = 0; round < 5; round++) {
      const gone = new AbortController();
      const waits = [1, 2, 3].map(() =>
        fetch(url, { headers, signal: gone.signal }).catch(() => 'gone' as const),
      );
      await until(() => inWork.length > 0);
      gone.abort();
      expect(await Promise.all(waits)).toEqual(['gone', 'gone', 'gone']);
      inWork.length = 0;
    }
    let status: number | undefined;
    const last = fetch(url, { headers }).then((response) => {
      status = response.status;
    });
    // Work of the rounds before may still have begun; whatever there is comes to its end.
    await until(() => {
      for (const { end } of inWork) end();
      return status !== undefined;
    });
    await last;
    expect(status).toBe(200);
  });
});
