import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { tracesUnder } from '../e2e/traces.js';
import {
  type AuthorizationServer,
  CLIENT,
  SCOPES,
  startAuthorizationServer,
} from './authorization-server.js';
import { Browser } from './browser.js';
import { ConnectionsApp } from './connections-app.js';
import { startMcpServer } from './mcp-server.js';

const HEADER = { name: 'X-Api-Key', value: 'hv-Kq3v9-header-value' };
const RETURN_TO = 'https://app.example.com/back?who=rt-77aa-alice';
const SECRET = { name: 'sn-55bb-bank', value: 'sv-91cc-secret-value' };

let service: ConnectionsApp;
let provider: AuthorizationServer;
let closeMcp: () => Promise<void>;

beforeAll(async () => {
  service = await ConnectionsApp.start();
  provider = await startAuthorizationServer(service.callbackUrl);
  const mcp = await startMcpServer(() => true);
  closeMcp = mcp.close;
  const github = { kind: 'oauth2', ...provider.settings, client_secret: CLIENT.secret, scopes: SCOPES };
  await service.call('PUT', '/providers/github', { body: github });
  const weather = { kind: 'mcp', server_url: mcp.url, header: HEADER };
  await service.call('PUT', '/providers/weather', { body: weather });
});

afterAll(async () => {
  await service?.close();
  await provider?.close();
  await closeMcp?.();
});

describe('all that a run wrote', () => {
  it('given connections, refreshes, secrets and a deletion, then no file ever holds a secret in clear', async () => {
    const user = service.makeUser();
    const path = `/users/${user}/connections`;
    await service.call('PUT', `/users/${user}/vault/${SECRET.name}`, { body: { value: SECRET.value } });
    await service.call('GET', `/users/${user}/vault/${SECRET.name}`);
    const weather = await service.call('POST', `${path}/connect`, { body: { provider: 'weather' } });
    expect(weather.json.status).toBe('active');
    const { json } = await service.call('POST', `${path}/connect`, {
      body: { provider: 'github', redirect_uri: RETURN_TO },
    });
    const visit = await new Browser([service.url, provider.url]).visit(json.connect_url);
    const back = new URL(visit.path.at(-2) ?? '');
    const first = (await service.call('POST', `${path}/${json.id}/token`)).json.access_token;
    service.aheadMs = 3_600_000;
    const second = (await service.call('POST', `${path}/${json.id}/token`)).json.access_token;
    const secrets = [
      CLIENT.secret,
      HEADER.value,
      'rt-77aa-alice',
      SECRET.name,
      SECRET.value,
      first,
      second,
      back.searchParams.get('code') ?? '',
      back.searchParams.get('state') ?? '',
    ];
    expect(secrets.every((secret) => typeof secret === 'string' && secret.length > 8)).toBe(true);
    expect(new Set(secrets).size).toBe(secrets.length);
    expect(tracesUnder(service.folder, secrets)).toEqual([]);
    await service.deleteUser(user);
    await service.call('DELETE', '/providers/github');
    await service.readModels.catchUp(10_000);
    expect(tracesUnder(service.folder, secrets)).toEqual([]);
    // The look itself works: what is written in clear is found.
    expect(tracesUnder(service.folder, ['weather', json.id])).not.toEqual([]);
    const metrics = await (await fetch(`${service.url}/metrics`)).text();
    expect(secrets.filter((secret) => metrics.includes(secret))).toEqual([]);
  });
});
