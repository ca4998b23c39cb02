import { readFileSync } from 'node:fs';
import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Answer, RequestOptions, Service } from '#testing';
import { MATRIX, type MatrixRow, type Named, nothing, PUBLIC_ROUTES } from './isolation-routes.js';
import { createPlatform, createUser, expectStatus, issueKey, type Platform, start } from './support.js';

interface Operation {
  'x-required-scope'?: string;
}
const { paths } = JSON.parse(readFileSync('openapi.json', 'utf8')) as {
  paths: { [path: string]: { [method: string]: Operation } };
};
const OPERATIONS = new Map(
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(
      ([method, operation]) => [`${method.toUpperCase()} ${path}` as string, operation] as const,
    ),
  ),
);
const scopesOf = (route: string) => (OPERATIONS.get(route)?.['x-required-scope'] ?? '').split(' or ');
const SCOPES = [...new Set([...OPERATIONS.keys()].flatMap(scopesOf).filter((scope) => scope.includes(':')))];

/** The answer without what tells one request from the next. */
const bare = ({ status, headers, text }: Answer<unknown>) => ({
  status,
  headers: [...headers].filter(([name]) => name !== 'x-request-id' && name !== 'date'),
  text: text.replace(/"request_id":"[^"]+"/, ''),
});

describe('the isolation matrix', () => {
  let service: Service;
  let platform: Platform;
  /** Keys: of the whole platform, of the first tenant, of the second, of another platform, and a revoked one. */
  let keys: { platform: string; own: string; elsewhere: string; stranger: string; revoked: string };
  let tenant: string;
  let accountKit: string;
  let provider: string;
  let victim: Named;
  let made = 0;

  const make = async <Made = { id: string }>(method: string, path: string, options: RequestOptions) =>
    expectStatus(await service.request<Made>(method, path, options), method === 'PUT' ? 200 : 201).body;
  const platformKey = async (scopes: readonly string[], more: object = {}) =>
    make<{ id: string; raw_key: string }>('POST', '/v1/platform-keys', {
      key: keys.platform,
      body: { name: 'Key', scopes, ...more },
    });
  const newTenant = async () =>
    (await make('POST', '/v1/tenants', { key: keys.platform, body: { name: 'T' } })).id;

  beforeAll(async () => {
    service = await start();
    platform = await createPlatform(service, 'Acme');
    const stranger = await createPlatform(service, 'Other');
    const unknown = '';
    keys = {
      platform: platform.api_key.raw_key,
      own: unknown,
      elsewhere: unknown,
      stranger: unknown,
      revoked: unknown,
    };
    keys.stranger = stranger.api_key.raw_key;
    keys.elsewhere = (await platformKey(['admin'], { tenant_id: await newTenant() })).raw_key;
    const revoked = await platformKey(['admin']);
    keys.revoked = revoked.raw_key;
    const revocation = `/v1/platform-keys/${revoked.id}`;
    expectStatus(await service.request('DELETE', revocation, { key: keys.platform }), 204);
  });

  /** A tenant of its own for each row, with one user who has something of everything. */
  beforeEach(async () => {
    tenant = await newTenant();
    keys.own = (await platformKey(['admin'], { tenant_id: tenant })).raw_key;
    const key = keys.own;
    made += 1;
    const kit = { name: `Kit ${made}`, rate_limits: { requests: { limit: 9, window_seconds: 60 } } };
    accountKit = (await make('POST', '/v1/account-kits', { key: keys.platform, body: kit })).id;
    provider = `provider-${made}`;
    await make('PUT', `/v1/providers/${provider}`, {
      key: keys.platform,
      body: {
        kind: 'oauth2',
        authorize_url: 'https://provider.example/authorize',
        token_url: 'https://provider.example/token',
        client_id: 'client',
        client_secret: 'secret',
        scopes: ['read'],
      },
    });
    const externalId = `victim-${made}`;
    const { id: user } = await createUser(service, { external_id: externalId, label: externalId }, { key });
    const url = `/v1/users/${user}`;
    const issued = await issueKey(service, user, { key });
    await make('PUT', `${url}/budget`, { key, body: { limit_usd: '10.00', period: 'none' } });
    const hold = await make('POST', `${url}/budget/holds`, { key, body: { amount_usd: '1.00' } });
    await make('PUT', `${url}/rate-limits/requests`, { key, body: { limit: 3, window_seconds: 60 } });
    expectStatus(
      await service.request('PUT', `${url}/vault/openai_key`, { key, body: { value: 'sk' } }),
      204,
    );
    const connection = await make('POST', `${url}/connections/connect`, { key, body: { provider } });
    victim = {
      tenant,
      platform: platform.id,
      user,
      externalId,
      rawKey: issued.raw_key,
      key: issued.id,
      hold: hold.id,
      connection: connection.id,
      accountKit,
      platformKey: (await platformKey(['users:read'], { tenant_id: tenant })).id,
      secret: 'openai_key',
      provider,
      rateLimit: 'requests',
    };
  });

  const ask = async ({ route, path, body }: MatrixRow, named: Named, key: string | null) => {
    const [method = ''] = route.split(' ');
    const options = { key, ...(body && { body: body(named) }) };
    return bare(await service.request(method, path(named), options));
  };
  const ownKey = ({ owner }: MatrixRow) =>
    owner === 'root' ? service.rootKey : owner === 'platform' ? keys.platform : keys.own;

  /** Nothing that names the victim, or what the victim has, is in the answer. */
  const expectNothingTold = (text: string) => {
    for (const [name, value] of Object.entries(victim)) {
      const isName = ['secret', 'rateLimit', 'platform'].includes(name);
      if (!isName) expect([name, text.includes(value)]).toEqual([name, false]);
    }
  };
  const namesSomething = ({ path, body }: MatrixRow) => {
    const missing = nothing();
    const texts = [victim, missing].map((named) => path(named) + JSON.stringify(body?.(named) ?? {}));
    return texts[0] !== texts[1];
  };

  it('has a row for every route of the OpenAPI document, and for no other', () => {
    const rows = new Set([...MATRIX.map(({ route }) => route), ...PUBLIC_ROUTES]);
    expect([...rows].sort()).toEqual([...OPERATIONS.keys()].sort());
    const open = [...OPERATIONS].filter(([, operation]) => operation['x-required-scope'] === undefined);
    expect(open.map(([route]) => route)).toEqual(PUBLIC_ROUTES);
  });

  describe.each(MATRIX)('$route', (row) => {
    it('for its own tenant, another tenant, another platform, no key, a revoked one and one without the scope', async () => {
      const foreign = row.shared ? [keys.stranger] : [keys.elsewhere, keys.stranger];
      for (const key of row.owner === 'root' ? [] : foreign) {
        const answer = await ask(row, victim, key);
        if (row.makesWhatItNames) expect(answer.status).toBe(row.status);
        else if (namesSomething(row)) expect(answer).toEqual(await ask(row, nothing(), key));
        else expectNothingTold(answer.text);
      }
      for (const key of [null, keys.revoked]) {
        const answer = await ask(row, victim, key);
        expect(answer).toEqual(await ask(row, nothing(), key));
        expect(answer).toMatchObject({ status: 401, text: expect.stringContaining('"unauthorized"') });
      }
      const needed = scopesOf(row.route);
      const others = SCOPES.filter((scope) => !needed.includes(scope));
      const lacking = await platformKey(others, row.owner ? {} : { tenant_id: tenant });
      const refused = await ask(row, victim, lacking.raw_key);
      expect(refused).toEqual(await ask(row, nothing(), lacking.raw_key));
      expect(refused).toMatchObject({ status: 403, text: expect.stringContaining('"forbidden"') });
      if (needed[0] !== 'root') expect(refused.text).toContain(`"required_scope":"${needed[0]}"`);
      const own = await ask(row, victim, ownKey(row));
      expect([own.status, own.text]).toEqual([row.status, own.text]);
    });
  });
});
