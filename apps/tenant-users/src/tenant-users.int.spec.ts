import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createApp, loadSettings, PlatformModule, type Settings, startFollowing } from '#platform';
import { TenantUsersModule, tenantUsersConsumer } from './index.js';

const clock = { time: Date.parse('2026-01-15T10:00:00Z'), now: () => new Date(clock.time) };

describe('the tenant-users service', () => {
  let settings: Settings;
  let app: NestFastifyApplication;
  let key: string;

  const newPlatform = async (): Promise<string> => {
    const { body } = await call('POST', '/v1/platforms', { name: 'Acme' }, settings.rootKey);
    return body.api_key.raw_key;
  };
  const call = async (method: 'GET' | 'POST' | 'PATCH' | 'DELETE', url: string, body?: object, by = key) => {
    const headers = { authorization: `Bearer ${by}` };
    const answer = await app.inject({ method, url, headers, ...(body && { payload: body }) });
    return { status: answer.statusCode, body: answer.json(), headers: answer.headers };
  };

  beforeAll(async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'tenantry-users-'));
    settings = loadSettings({ TENANTRY_DATA_DIR: dataDir, LOG_LEVEL: 'silent' });
    class TestModule {}
    const imports = [PlatformModule.forRoot(settings, clock), TenantUsersModule];
    app = await createApp({ module: TestModule, imports }, [tenantUsersConsumer]);
    await startFollowing(app);
    key = await newPlatform();
  });
  afterAll(async () => {
    await app.close();
    await rm(settings.dataDir, { recursive: true });
  });

  it('given a taken external_id, when created with if_exists=return, then 200 with the user as it is', async () => {
    const made = await call('POST', '/v1/users?if_exists=return', { external_id: 'twice', label: 'One' });
    expect(made.status).toBe(201);
    await call('PATCH', `/v1/users/${made.body.id}`, { role: 'owner' });
    const again = await call('POST', '/v1/users?if_exists=return', { external_id: 'twice', label: 'Two' });
    expect([again.status, again.headers.etag, again.headers.location]).toEqual([
      200,
      '"1"',
      `/v1/users/${made.body.id}`,
    ]);
    expect(again.headers['tenantry-position']).toMatch(/^\d+$/);
    expect(again.body).toEqual({ ...made.body, role: 'owner', revision: 1 });
    const refused = await call('POST', '/v1/users', { external_id: 'twice' });
    expect(refused.body).toMatchObject({ code: 'duplicate_record', existing_id: made.body.id });
  });

  it('given many creates at once with if_exists=return, then one makes the user and all answer it', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, () =>
        call('POST', '/v1/users?if_exists=return', { external_id: 'at-once' }),
      ),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(19);
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
  });

  it('given a deleted user or another platform, when created with if_exists=return, then a new one', async () => {
    const { body } = await call('POST', '/v1/users', { external_id: 'successor' });
    const other = await newPlatform();
    const url = '/v1/users?if_exists=return';
    expect((await call('POST', url, { external_id: 'successor' }, other)).status).toBe(201);
    await call('DELETE', `/v1/users/${body.id}`);
    const next = await call('POST', url, { external_id: 'successor' });
    expect(next.status).toBe(201);
    expect(next.body.id).not.toBe(body.id);
  });

  it.each([
    ['if_exists', 'if_exists=ignore'],
    ['if_not', 'if_not=return'],
  ])('given a bad %s, when a user is created, then 400 names it', async (field, query) => {
    const refusal = await call('POST', `/v1/users?${query}`, {});
    expect(refusal.status).toBe(400);
    expect(refusal.body).toMatchObject({ code: 'invalid_input', errors: [{ field }] });
  });
});
