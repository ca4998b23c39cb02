import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ReadModels } from '#platform';
import type { ServiceApplication } from '../service-application.js';
import { HeldProjections } from './held-projections.js';
import { Client, openWholeService, PROJECTIONS } from './whole-service.js';

describe('projections that writes do not wait for any longer', () => {
  let service: ServiceApplication;
  let client: Client;
  const held = new HeldProjections();

  beforeEach(async () => {
    const env = { TENANTRY_READ_YOUR_WRITES_TIMEOUT_MS: '20' };
    service = await openWholeService({ env, prepare: (app) => held.prepare(app) });
    client = await Client.ofNewPlatform(service);
  });
  afterEach(async () => {
    held.release();
    await service.remove();
  });

  const hold = () => held.hold(PROJECTIONS.map(({ name }) => name));
  const release = async () => {
    held.release();
    expect(await service.app.get(ReadModels).catchUp(10_000)).toBe(true);
  };

  it('when a key is revoked and a user suspended, then neither is valid, and others are', async () => {
    const [user, other, third] = [await client.newUser(), await client.newUser(), await client.newUser()];
    expect(await client.verify(user.rawKey)).toMatchObject({ valid: true });
    hold();
    expect((await client.call('DELETE', `${user.path}/keys/${user.keyId}`)).status).toBe(204);
    expect((await client.call('PATCH', other.path, { status: 'suspended' })).status).toBe(200);
    const said = async () => Promise.all([user, other, third].map(({ rawKey }) => client.verify(rawKey)));
    const expected = [
      { valid: false, code: 'revoked' },
      { valid: false, code: 'user_inactive' },
      expect.objectContaining({ valid: true }),
    ];
    expect(await said()).toEqual(expected);
    await release();
    expect(await said()).toEqual(expected);
  });

  it('when a platform key is revoked, then it is refused', async () => {
    const { body: issued } = await client.call('POST', 'platform-keys', {
      name: 'Server',
      scopes: ['users:read'],
    });
    const use = async () => (await client.call('GET', 'users', undefined, issued.raw_key)).status;
    expect(await use()).toBe(200);
    hold();
    expect((await client.call('DELETE', `platform-keys/${issued.id}`)).status).toBe(204);
    expect(await use()).toBe(401);
    await release();
    expect(await use()).toBe(401);
  });

  it('when a user is created, then it is never said not to be there', async () => {
    hold();
    const { status, body: user } = await client.call('POST', 'users', { label: 'Alice' });
    expect(status).toBe(201);
    for (const path of [`users/${user.id}`, 'users']) {
      const read = await client.call('GET', path);
      expect([read.status, read.body.code, read.headers['retry-after']]).toEqual([
        503,
        'projection_behind',
        '1',
      ]);
    }
    await release();
    expect(await client.call('GET', `users/${user.id}`)).toMatchObject({ status: 200, body: user });
  });
});
