import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import {
  AccountKitDirectory,
  createApp,
  loadSettings,
  PlatformModule,
  type Settings,
  startFollowing,
  UserDirectory,
} from '#platform';
import { TenantUsersModule, tenantUsersConsumer } from './index.js';

describe('what the other services know of users and kits', () => {
  let settings: Settings;
  let app: NestFastifyApplication;
  let platform: { id: string; default_tenant_id: string; default_account_kit_id: string };
  let key: string;

  const call = async (method: 'POST' | 'PATCH', url: string, body: object) => {
    const headers = { authorization: `Bearer ${key}` };
    const answer = await app.inject({ method, url, headers, payload: body });
    expect(answer.statusCode).toBeLessThan(300);
    return answer.json();
  };
  const budgetOf = async (userId: string) =>
    (await app.get(UserDirectory).require(platform.default_tenant_id, userId)).openingBudget;

  beforeAll(async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'tenantry-directory-'));
    settings = loadSettings({ TENANTRY_DATA_DIR: dataDir, LOG_LEVEL: 'silent' });
    class TestModule {}
    const imports = [PlatformModule.forRoot(settings), TenantUsersModule];
    app = await createApp({ module: TestModule, imports }, [tenantUsersConsumer]);
    await startFollowing(app);
    key = settings.rootKey;
    const made = await call('POST', '/v1/platforms', {
      name: 'Acme',
      settings: { default_budget_usd: '3.00' },
    });
    platform = made;
    key = made.api_key.raw_key;
  });
  afterAll(async () => {
    await app.close();
    await rm(settings.dataDir, { recursive: true });
  });

  it('given a platform with a default budget, then its users and its default user start with it', async () => {
    const { id } = await call('POST', '/v1/users', {});
    const expected = { limit: 3_000_000, period: 'monthly' };
    expect(await budgetOf(id)).toEqual(expected);
    const { id: defaultId } = (await app
      .inject({
        url: '/v1/users/default',
        headers: { authorization: `Bearer ${key}` },
      })
      .then((answer) => answer.json())) as { id: string };
    expect(await budgetOf(defaultId)).toEqual(expected);
  });

  it('given a kit with a budget, when it changes, then users made later alone have the new one', async () => {
    const kit = await call('POST', '/v1/account-kits', {
      name: 'Pro',
      budget_usd: '25.00',
      budget_period: 'none',
      key_scopes: ['inference'],
      rate_limits: { requests: { limit: 5, window_seconds: 60 } },
      allowed_providers: ['github'],
    });
    const before = await call('POST', '/v1/users', { account_kit_id: kit.id });
    await call('PATCH', `/v1/account-kits/${kit.id}`, { budget_usd: '50.00' });
    const after = await call('POST', '/v1/users', { account_kit_id: kit.id });
    expect(await budgetOf(before.id)).toEqual({ limit: 25_000_000, period: 'none' });
    expect(await budgetOf(after.id)).toEqual({ limit: 50_000_000, period: 'none' });
    expect(await app.get(AccountKitDirectory).find(platform.id, kit.id)).toEqual({
      keyScopes: ['inference'],
      rateLimits: { requests: { limit: 5, windowSeconds: 60 } },
      allowedProviders: ['github'],
      budget: { limit: 50_000_000, period: 'none' },
      role: 'member',
    });
  });

  it('given the kit of another platform, then there is none', async () => {
    const directory = app.get(AccountKitDirectory);
    expect(await directory.find(platform.default_tenant_id, platform.default_account_kit_id)).toBeUndefined();
  });
});
