import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ReadModels } from '#platform';
import type { ServiceApplication } from '../service-application.js';
import { Client, openWholeService, PROJECTIONS, poison } from './whole-service.js';

describe('a projection that has stopped at an event', () => {
  let service: ServiceApplication;
  let client: Client;

  beforeEach(async () => {
    service = await openWholeService();
    client = await Client.ofNewPlatform(service);
  });
  afterEach(() => service.remove());

  const stop = async (name: string): Promise<void> => {
    const category = PROJECTIONS.find((one) => one.name === name)?.category ?? '';
    expect(await service.app.get(ReadModels).waitFor(name, await poison(service, category), 10_000)).toBe(
      false,
    );
  };
  const isBehind = { status: 503, body: expect.objectContaining({ code: 'projection_behind' }) };

  it.each(PROJECTIONS)('given $name, then its reads answer 503, and all others go on', async ({ name }) => {
    const user = await client.newUser();
    const gone = await client.newUser();
    await client.call('DELETE', gone.path);
    const read = async (path: string) => {
      const of = path.endsWith('/deletion') ? gone : user;
      return client.call('GET', path.replace('USER', of.id));
    };
    await stop(name);
    for (const other of PROJECTIONS) {
      for (const path of other.reads) {
        const { status, body, headers } = await read(path);
        if (other.name !== name) expect([path, status]).toEqual([path, 200]);
        else {
          expect([path, { status, body }]).toEqual([path, isBehind]);
          expect(Number(headers['retry-after'])).toBeGreaterThan(0);
          expect(body.detail).toContain(name);
        }
      }
    }
    const late = await client.newUser();
    expect((await client.call('POST', `${late.path}/budget/spend`, { amount_usd: '1.00' })).status).toBe(201);
    expect((await client.call('PATCH', late.path, { label: 'Late' })).status).toBe(200);
    expect((await client.call('DELETE', late.path)).status).toBe(202);
  });

  it('then the process is ready, and health and metrics name it', async () => {
    await stop('user-directory');
    const { status, body } = await service.call('GET', '/health/ready');
    expect([status, body.status]).toEqual([200, 'up']);
    expect(body.projections).toContainEqual(
      expect.objectContaining({ name: 'user-directory', state: 'failed' }),
    );
    const metrics = await service.app.inject({ method: 'GET', url: '/metrics' });
    expect(metrics.body).toContain('tenantry_projection_lag{name="user-directory",state="failed"}');
  });

  it('given key-registry, when a key is revoked, then it is valid no more, and the other one is', async () => {
    const user = await client.newUser();
    const other = await client.newUser();
    expect(await client.verify(user.rawKey)).toMatchObject({ valid: true });
    await stop('key-registry');
    expect(await client.verify(user.rawKey)).toMatchObject({ valid: true, scopes: ['chat'] });
    expect((await client.call('DELETE', `${user.path}/keys/${user.keyId}`)).status).toBe(204);
    expect(await client.verify(user.rawKey)).toEqual({ valid: false, code: 'revoked' });
    expect(await client.verify(other.rawKey)).toMatchObject({ valid: true });
  });

  it('given key-registry, when a key is rotated, then the old one is valid no more, and of the new one nobody can tell', async () => {
    const user = await client.newUser();
    await stop('key-registry');
    const { body } = await client.call('POST', `${user.path}/keys/${user.keyId}/rotate`, {});
    expect(await client.verify(user.rawKey)).toEqual({ valid: false, code: 'revoked' });
    const { status, body: told } = await client.call('POST', 'keys/verify', { key: body.raw_key });
    expect({ status, body: told }).toEqual(isBehind);
  });

  it('given user-directory, when a user is suspended, then no key verifies and no budget spends', async () => {
    const user = await client.newUser();
    const gone = await client.newUser();
    await stop('user-directory');
    expect(await client.verify(user.rawKey)).toMatchObject({ valid: true });
    expect((await client.call('PATCH', user.path, { status: 'suspended' })).status).toBe(200);
    expect(await client.verify(user.rawKey)).toEqual({ valid: false, code: 'user_inactive' });
    expect((await client.call('POST', `${user.path}/budget/spend`, { amount_usd: '1.00' })).status).toBe(409);
    expect((await client.call('DELETE', gone.path)).status).toBe(202);
    expect(await client.verify(gone.rawKey)).toEqual({ valid: false, code: 'revoked' });
    expect((await client.call('POST', `${gone.path}/budget/spend`, { amount_usd: '1.00' })).status).toBe(404);
  });

  it('given access, when a platform key is revoked, then it is refused, and so is a scope that the kit loses', async () => {
    const scopes = ['users:read', 'users:write', 'keys:verify'];
    const { body: issued } = await client.call('POST', 'platform-keys', { name: 'Server', scopes });
    const { body: kit } = await client.call('POST', 'account-kits', {
      name: 'Kit',
      key_scopes: ['chat', 'docs'],
    });
    const user = await client.newUser();
    await client.call('PATCH', user.path, { account_kit_id: kit.id });
    expect(await client.verify(user.rawKey)).toMatchObject({ valid: true, scopes: ['chat'] });
    await stop('access');
    expect((await client.call('GET', 'users', undefined, issued.raw_key)).status).toBe(200);
    expect((await client.call('DELETE', `platform-keys/${issued.id}`)).status).toBe(204);
    expect((await client.call('GET', 'users', undefined, issued.raw_key)).status).toBe(401);
    expect((await client.call('PATCH', `account-kits/${kit.id}`, { key_scopes: ['docs'] })).status).toBe(200);
    expect(await client.verify(user.rawKey)).toMatchObject({ valid: true, scopes: [] });
  });

  it('given access, when a tenant is deleted, then its keys are refused and its users are gone', async () => {
    const { body: tenant } = await client.call('POST', 'tenants', { name: 'Acme' });
    const scopes = ['users:read', 'users:write', 'keys:write', 'budgets:write'];
    const { body: issued } = await client.call('POST', 'platform-keys', {
      name: 'Own',
      scopes,
      tenant_id: tenant.id,
    });
    const { body: user } = await client.call('POST', 'users', {}, issued.raw_key);
    const { body: userKey } = await client.call('POST', `users/${user.id}/keys`, {}, issued.raw_key);
    expect(await client.verify(userKey.raw_key)).toMatchObject({ valid: true });
    await stop('access');
    expect((await client.call('DELETE', `tenants/${tenant.id}`)).status).toBe(202);
    expect((await client.call('GET', 'users', undefined, issued.raw_key)).status).toBe(401);
    expect(await client.verify(userKey.raw_key)).toEqual({ valid: false, code: 'revoked' });
  });
});
