import { createApiKey, MISSING_ID } from './support.js';

/** What a request may name: all of one user of the first tenant, or things that don't exist. */
export interface Named {
  tenant: string;
  platform: string;
  user: string;
  externalId: string;
  rawKey: string;
  key: string;
  hold: string;
  connection: string;
  accountKit: string;
  platformKey: string;
  secret: string;
  provider: string;
  rateLimit: string;
}

export const nothing = (): Named => ({
  tenant: MISSING_ID,
  platform: MISSING_ID,
  user: MISSING_ID,
  externalId: 'nobody',
  rawKey: createApiKey('user'),
  key: MISSING_ID,
  hold: MISSING_ID,
  connection: MISSING_ID,
  accountKit: MISSING_ID,
  platformKey: MISSING_ID,
  secret: 'missing',
  provider: 'missing',
  rateLimit: 'missing',
});

/**
 * How a route is asked in the matrix. Where its path, query or body names something, a foreign caller must get the
 * very answer that a missing one gets; where it names nothing, the answer must not tell of what is elsewhere.
 */
export interface MatrixRow {
  /** As in the OpenAPI document. */
  route: string;
  /** The path and query as they are asked. */
  path: (named: Named) => string;
  body?: (named: Named) => object;
  /** What the tenant's own caller gets. */
  status: number;
  /** Who owns it: a tenant's key, a key of the whole platform, or the operator. */
  owner?: 'platform' | 'root';
  /** The platform's tenants share it. */
  shared?: true;
  /** It makes what it names, each platform its own. */
  makesWhatItNames?: true;
  /** It waits for something that is not at hand here: the own caller's answer tells that it came this far. */
  note?: string;
}

const row = (route: string, status: number, more: Partial<MatrixRow> = {}): MatrixRow => ({
  route,
  status,
  path: (named) => fill(route.split(' ')[1] ?? '', named),
  ...more,
});

const KINDS: [prefix: string, name: keyof Named][] = [
  ['/v1/users/{id}', 'user'],
  ['/v1/tenants/{id}', 'tenant'],
  ['/v1/platforms/{id}', 'platform'],
  ['/v1/platform-keys/{id}', 'platformKey'],
  ['/v1/account-kits/{id}', 'accountKit'],
];
const NAMES: [prefix: RegExp, name: keyof Named][] = [
  [/\/vault\/\{name\}/, 'secret'],
  [/\/rate-limits\/\{name\}/, 'rateLimit'],
  [/\/providers\/\{name\}/, 'provider'],
];

function fill(path: string, named: Named): string {
  const [, id = 'user'] = KINDS.find(([prefix]) => path.startsWith(prefix)) ?? [];
  const [, name = 'secret'] = NAMES.find(([pattern]) => pattern.test(path)) ?? [];
  return path
    .replace('{id}', named[id])
    .replace('{key_id}', named.key)
    .replace('{hold_id}', named.hold)
    .replace('{connection_id}', named.connection)
    .replace('{name}', named[name]);
}

const given = (body: object) => ({ body: () => body });
const asRoot = { owner: 'root' } as const;
const wide = { owner: 'platform' } as const;

const TENANCY: MatrixRow[] = [
  row('POST /v1/platforms', 201, { ...asRoot, ...given({ name: 'New' }) }),
  row('GET /v1/platforms', 200, asRoot),
  row('GET /v1/platforms/{id}', 200, { ...wide, shared: true }),
  row('PATCH /v1/platforms/{id}', 200, { ...wide, shared: true, ...given({ name: 'Renamed' }) }),
  row('POST /v1/tenants', 201, { ...wide, ...given({ name: 'New' }) }),
  row('GET /v1/tenants', 200),
  row('GET /v1/tenants/{id}', 200),
  row('PATCH /v1/tenants/{id}', 200, given({ name: 'Renamed' })),
  row('DELETE /v1/tenants/{id}', 202, wide),
  row('GET /v1/tenants/{id}/deletion', 404, { ...wide, note: 'nobody has deleted the tenant' }),
  row('POST /v1/platform-keys', 201, {
    body: ({ tenant }) => ({ name: 'New', scopes: ['users:read'], tenant_id: tenant }),
  }),
  row('GET /v1/platform-keys', 200),
  row('DELETE /v1/platform-keys/{id}', 204),
  row('POST /v1/account-kits', 201, { ...wide, ...given({ name: 'New' }) }),
  row('GET /v1/account-kits', 200, { shared: true }),
  row('GET /v1/account-kits/{id}', 200, { shared: true }),
  row('PATCH /v1/account-kits/{id}', 200, { ...wide, ...given({ name: 'Renamed' }) }),
  row('DELETE /v1/account-kits/{id}', 204, wide),
  row('GET /v1/projections', 200, { shared: true, note: 'names, positions and lags of the whole service' }),
  row('POST /v1/projections/{name}/rebuild', 202, {
    ...asRoot,
    path: () => '/v1/projections/deletions/rebuild',
    ...given({}),
  }),
  row('GET /v1/projections/{name}/rebuild', 404, {
    shared: true,
    path: () => '/v1/projections/access/rebuild',
    note: 'it was never rebuilt',
  }),
];

const USERS: MatrixRow[] = [
  row('POST /v1/users', 201, given({ label: 'New' })),
  row('GET /v1/users', 200),
  row('GET /v1/users', 200, { path: ({ externalId }) => `/v1/users?external_id=${externalId}` }),
  row('GET /v1/users/{id}', 200),
  row('GET /v1/users/{id}', 200, { path: ({ user }) => `/v1/users/${user}?revision=0` }),
  row('PATCH /v1/users/{id}', 200, given({ label: 'Renamed' })),
  row('DELETE /v1/users/{id}', 202),
  row('DELETE /v1/users/{id}', 200, { path: ({ user }) => `/v1/users/${user}?dry_run=true` }),
  row('GET /v1/users/{id}/deletion', 404, { note: 'nobody has deleted the user' }),
  row('GET /v1/users/{id}/events', 200),
];

const HELD: MatrixRow[] = [
  row('POST /v1/users/{id}/keys', 201, given({ name: 'New' })),
  row('GET /v1/users/{id}/keys', 200),
  row('POST /v1/users/{id}/keys/{key_id}/rotate', 201, given({})),
  row('DELETE /v1/users/{id}/keys/{key_id}', 204),
  row('POST /v1/keys/verify', 200, { body: ({ rawKey }) => ({ key: rawKey }) }),
  row('PUT /v1/users/{id}/budget', 200, given({ limit_usd: '20.00', period: 'none' })),
  row('GET /v1/users/{id}/budget', 200),
  row('POST /v1/users/{id}/budget/spend', 201, given({ amount_usd: '1.00' })),
  row('POST /v1/users/{id}/budget/credit', 201, given({ amount_usd: '1.00' })),
  row('POST /v1/users/{id}/budget/holds', 201, given({ amount_usd: '1.00' })),
  row('POST /v1/users/{id}/budget/holds/{hold_id}/settle', 201, given({ amount_usd: '0.50' })),
  row('DELETE /v1/users/{id}/budget/holds/{hold_id}', 204),
  row('GET /v1/users/{id}/budget/transactions', 200),
  row('GET /v1/users/{id}/rate-limits', 200),
  row('PUT /v1/users/{id}/rate-limits/{name}', 200, given({ limit: 5, window_seconds: 60 })),
  row('POST /v1/users/{id}/rate-limits/{name}/consume', 200, given({})),
  row('DELETE /v1/users/{id}/rate-limits/{name}', 204),
  row('PUT /v1/users/{id}/vault/{name}', 204, given({ value: 'sk-new' })),
  row('GET /v1/users/{id}/vault', 200),
  row('GET /v1/users/{id}/vault/{name}', 200),
  row('DELETE /v1/users/{id}/vault/{name}', 204),
];

const CONNECTIONS: MatrixRow[] = [
  row('PUT /v1/providers/{name}', 200, {
    ...wide,
    shared: true,
    makesWhatItNames: true,
    ...given({
      kind: 'oauth2',
      authorize_url: 'https://provider.example/authorize',
      token_url: 'https://provider.example/token',
      client_id: 'client',
      client_secret: 'secret',
      scopes: ['read'],
    }),
  }),
  row('GET /v1/providers', 200, { shared: true }),
  row('DELETE /v1/providers/{name}', 204, wide),
  row('POST /v1/users/{id}/connections/connect', 201, { body: ({ provider }) => ({ provider }) }),
  row('GET /v1/users/{id}/connections', 200),
  row('GET /v1/users/{id}/connections/{connection_id}', 200),
  row('POST /v1/users/{id}/connections/{connection_id}/token', 409, { note: 'nobody has consented' }),
  row('DELETE /v1/users/{id}/connections/{connection_id}', 200),
];

export const MATRIX: readonly MatrixRow[] = [...TENANCY, ...USERS, ...HELD, ...CONNECTIONS];

/** Routes that anyone may call; what they take is a secret of its own. */
export const PUBLIC_ROUTES = ['GET /v1/connections/callback'];
