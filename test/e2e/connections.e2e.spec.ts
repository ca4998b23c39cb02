import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Service } from '#testing';
import {
  type AuthorizationServer,
  CLIENT,
  SCOPES,
  startAuthorizationServer,
} from '../connections/authorization-server.js';
import { Browser } from '../connections/browser.js';
import { completedDeletion, createUser, expectProblem, expectStatus, start } from './support.js';
import { tracesIn, tracesUnder } from './traces.js';

interface Connection {
  id: string;
  status: string;
  connect_url: string;
}

describe('connections of the running service', () => {
  let service: Service;
  let provider: AuthorizationServer;
  const seen: string[] = [CLIENT.secret];

  beforeAll(async () => {
    service = await start({ env: { LOG_LEVEL: 'trace' } });
    provider = await startAuthorizationServer(`${service.url}/v1/connections/callback`);
    const body = { kind: 'oauth2', ...provider.settings, client_secret: CLIENT.secret, scopes: SCOPES };
    expectStatus(await service.request('PUT', '/v1/providers/github', { body }), 200);
  });
  afterAll(() => provider?.close());

  const connect = (userId: string) =>
    service.request<Connection>('POST', `/v1/users/${userId}/connections/connect`, {
      body: { provider: 'github' },
    });

  async function connected(userId: string): Promise<{ id: string; access_token: string }> {
    const { id, connect_url } = expectStatus(await connect(userId), 201).body;
    const visit = await new Browser([service.url, provider.url]).visit(connect_url);
    expect(visit.text).toContain('github is connected');
    const path = `/v1/users/${userId}/connections/${id}`;
    expect((await service.request<Connection>('GET', path)).body.status).toBe('active');
    const token = await service.request<{ access_token: string }>('POST', `${path}/token`);
    const { access_token } = expectStatus(token, 200).body;
    seen.push(access_token, new URL(visit.path.at(-1) ?? '').searchParams.get('code') ?? '');
    return { id, access_token };
  }

  it('given consent, then there is a token, until the connection is removed', async () => {
    const { id: userId } = await createUser(service);
    const { id, access_token } = await connected(userId);
    const removed = await service.request('DELETE', `/v1/users/${userId}/connections/${id}`);
    expect(removed.body).toMatchObject({ revocation: { outcome: 'revoked' } });
    expect(await provider.isAlive(access_token)).toBe(false);
  });

  it("given a kit without the provider, then its users can't connect", async () => {
    const kit = { body: { name: 'Closed', allowed_providers: ['gitlab'] } };
    const { body } = await service.request<{ id: string }>('POST', '/v1/account-kits', kit);
    const user = await createUser(service, { account_kit_id: body.id });
    expectProblem(await connect(user.id), { status: 409, code: 'illegal_state', field: 'provider' });
  });

  it('given a suspended user, then there is no token until they are active again', async () => {
    const { id: userId } = await createUser(service);
    const { id } = await connected(userId);
    const path = `/v1/users/${userId}`;
    const token = () => service.request('POST', `${path}/connections/${id}/token`);
    expectStatus(await service.request('PATCH', path, { body: { status: 'suspended' } }), 200);
    expectProblem(await token(), { status: 409, code: 'illegal_state' });
    expectStatus(await service.request('PATCH', path, { body: { status: 'active' } }), 200);
    expectStatus(await token(), 200);
  });

  it('given a deletion, then the tokens are dead at the provider and the receipt counts them', async () => {
    const { id: userId } = await createUser(service);
    const tokens = [await connected(userId), await connected(userId)];
    expectStatus(await service.request('DELETE', `/v1/users/${userId}`), 202);
    const { participants } = await completedDeletion(service, userId);
    expect(participants.find(({ name }) => name === 'connections')).toMatchObject({
      status: 'confirmed',
      removed: { connections: 2, tokens_revoked: 2, tokens_not_revoked: 0 },
    });
    for (const { access_token } of tokens) expect(await provider.isAlive(access_token)).toBe(false);
    expectStatus(await service.request('GET', `/v1/users/${userId}/connections`), 404);
  });

  it('given all of that, then neither files nor logs nor metrics ever held a token, a code or the secret', async () => {
    const values = seen.filter((value) => value !== '');
    expect(values.length).toBeGreaterThan(6);
    const metrics = (await service.request('GET', '/metrics')).text;
    const { stdout, stderr } = await service.stop();
    expect(tracesUnder(service.dataDir, values)).toEqual([]);
    expect(tracesIn(Buffer.from(stdout + stderr + metrics), 'logs', values)).toEqual([]);
    expect(stdout.length + stderr.length).toBeGreaterThan(0);
  });
});
