import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Service } from '#testing';
import { invalid, itRefuses, type Refusal } from './refusals.js';
import {
  createApiKey,
  createUser,
  expectProblem,
  issueKey,
  MISSING_ID,
  start,
  type User,
} from './support.js';

const LIST = '/v1/users';
const notFound = (given: string, to: string): Refusal => ({ given, to, status: 404, code: 'not_found' });

const otherMethod = (given: string, to: string): Refusal => ({
  given,
  to,
  status: 405,
  code: 'method_not_allowed',
});

const IDS: Refusal[] = [
  ...[
    'GET /v1/users/ID',
    'PATCH /v1/users/ID',
    'DELETE /v1/users/ID',
    'GET /v1/users/ID/deletion',
    'GET /v1/users/ID/keys',
    'POST /v1/users/ID/keys',
    'GET /v1/users/ID/budget',
    'GET /v1/users/ID/budget/transactions',
    'GET /v1/users/ID/vault',
    'GET /v1/users/ID/vault/name',
    'DELETE /v1/users/ID/vault/name',
  ].map((to) => invalid('a malformed id', to.replace('ID', 'not-a-uuid'), { field: 'id' })),
  ...['0', '%20', '%00', '..%2Fplatforms', `${MISSING_ID}0`, '{01890000}', 'x'.repeat(90)].map((id) =>
    invalid(`the id ${id}`, `GET /v1/users/${id}`, { field: 'id' }),
  ),
  invalid('an id of 300 characters', `GET /v1/users/${'x'.repeat(300)}`, { field: 'id' }),
  invalid('a malformed key_id', 'DELETE /v1/users/:id/keys/nope', { field: 'key_id' }),
  ...['a%20b', 'x'.repeat(129), '%C3%A9', 'a%2Fb'].map((name) =>
    invalid(`the secret's name ${name}`, `GET /v1/users/:id/vault/${name}`, { field: 'name' }),
  ),
  invalid('a URL that cannot be decoded', 'GET /v1/users/%E0%A4%A', { field: 'url' }),
  notFound('a key that is not there', `DELETE /v1/users/:id/keys/${MISSING_ID}`),
  notFound('a secret that is not there', 'GET /v1/users/:id/vault/nothing'),
  notFound('a user without a budget', 'GET /v1/users/:id/budget'),
  notFound('a user who was not deleted', 'GET /v1/users/:id/deletion'),
];

const QUERIES: Refusal[] = [
  ...['0', '101', '-1', '1.5', 'abc', '', '1e1', '10&limit=20'].map((limit) =>
    invalid(`limit=${limit}`, `GET ${LIST}?limit=${limit}`, { field: 'limit' }),
  ),
  ...['abc', 'YWZ0ZXI6LTE', 'YWZ0ZXI6MQ==', '%00', 'x'.repeat(201), 'a&cursor=b'].map((cursor) =>
    invalid(`cursor=${cursor}`, `GET ${LIST}?cursor=${cursor}`, { field: 'cursor' }),
  ),
  ...['keys', 'vault', 'budget/transactions']
    .map((list) => invalid('a bad cursor', `GET /v1/users/:id/${list}?cursor=abc`, { field: 'cursor' }))
    .slice(0, 2),
  ...['', 'x'.repeat(300), 'a&external_id=b', '%00'].map((value) =>
    invalid(`external_id=${value}`, `GET ${LIST}?external_id=${value}`, { field: 'external_id' }),
  ),
  invalid('an unknown parameter', `GET ${LIST}?page=2`, { field: 'page' }),
  invalid('__proto__ as a parameter', `GET ${LIST}?__proto__=1`, { field: '__proto__' }),
  invalid('an unknown parameter', 'GET /v1/users/:id?verbose=1', { field: 'verbose' }),
  invalid('a misspelt dry_run', 'DELETE /v1/users/:id?dryrun=true', { field: 'dryrun' }),
];

const HEADERS: Refusal[] = [
  ...['3', 'abc', '"-1"', '"1", "2"', 'W/"1"'].map((match) =>
    invalid(`If-Match: ${match}`, 'PATCH /v1/users/:id', {
      field: 'If-Match',
      headers: { 'if-match': match },
      body: { label: 'x' },
    }),
  ),
  invalid('If-Match: abc', 'DELETE /v1/users/:id', { field: 'If-Match', headers: { 'if-match': 'abc' } }),
  ...['abc', '-1', '1.5', '0x1', '1'.repeat(20)].map((position) =>
    invalid(`Tenantry-Min-Position: ${position}`, 'GET /v1/users', {
      field: 'Tenantry-Min-Position',
      headers: { 'tenantry-min-position': position },
    }),
  ),
  invalid('X-Tenant-Id: abc', 'GET /v1/users', { field: 'X-Tenant-Id', headers: { 'x-tenant-id': 'abc' } }),
];

const ROUTES: Refusal[] = [
  ...['GET /', 'GET /v1', 'GET /v1/nothing', 'GET /v1/users/:id/nothing', 'GET /v2/users', 'GET /.env'].map(
    (to) => notFound('an unknown route', to),
  ),
  ...['PUT /v1/users', 'DELETE /v1/users', 'POST /v1/users/:id', 'GET /v1/keys/verify', 'POST /metrics'].map(
    (to) => otherMethod('another method', to),
  ),
  otherMethod('another method', 'OPTIONS /v1/users'),
];

const GOOD = createApiKey('plat');
const MISTYPED = `${GOOD.slice(0, -1)}${GOOD.endsWith('0') ? '1' : '0'}`;
const unauthorized = (given: string, rest: object): Refusal => ({
  given,
  to: 'GET /v1/users/:id',
  status: 401,
  code: 'unauthorized',
  ...rest,
});
const KEYS: Refusal[] = [
  unauthorized('no key', { key: null }),
  unauthorized('a garbage key', { key: 'garbage' }),
  unauthorized('a mistyped key', { key: MISTYPED }),
  unauthorized('a well-formed key of nobody', { key: GOOD }),
  unauthorized('another root key', { key: createApiKey('root') }),
  unauthorized('an endless key', { key: `tnt_plat_${'x'.repeat(8_000)}` }),
  unauthorized('another scheme', { headers: { authorization: 'Basic dXNlcjpwYXNz' } }),
  unauthorized('Bearer alone', { headers: { authorization: 'Bearer' } }),
  unauthorized('a garbage x-api-key', { key: null, headers: { 'x-api-key': 'garbage' } }),
  unauthorized('no key for a write', { key: null, to: 'DELETE /v1/users/:id' }),
  unauthorized('no key for projections', { key: null, to: 'POST /v1/projections/user-directory/rebuild' }),
  unauthorized('no key for platforms', { key: null, to: 'GET /v1/platforms' }),
  unauthorized('no key to verify one', { key: null, to: 'POST /v1/keys/verify', body: { key: 'x' } }),
];

describe('requests that are refused', () => {
  let service: Service;
  let user: User;

  beforeAll(async () => {
    service = await start();
    user = await createUser(service, { external_id: 'living' });
  });

  itRefuses([...IDS, ...QUERIES, ...HEADERS, ...ROUTES, ...KEYS], () => ({ service, userId: user.id }));

  it('given x-api-key instead of a bearer key, then it is taken', async () => {
    const headers = { 'x-api-key': service.platformKey };
    expect((await service.request('GET', LIST, { key: null, headers })).status).toBe(200);
  });

  it("given a user's key or the root key, when users are asked for, then names the scope", async () => {
    const { raw_key } = await issueKey(service, user.id);
    for (const key of [raw_key, service.rootKey]) {
      for (const [method, path, scope] of [
        ['GET', LIST, 'users:read'],
        ['POST', LIST, 'users:write'],
        ['DELETE', `${LIST}/${user.id}`, 'users:write'],
        ['POST', `${LIST}/${user.id}/keys`, 'keys:write'],
        ['GET', `${LIST}/${user.id}/vault/x`, 'vault:read'],
      ] as const) {
        const answer = await service.request(method, path, { key });
        const problem = expectProblem(answer, { status: 403, code: 'forbidden' });
        expect(problem.required_scope).toBe(scope);
      }
    }
  });

  it("given a platform's or a user's key, when the operator's routes are asked for, then 403", async () => {
    const { raw_key } = await issueKey(service, user.id);
    for (const key of [raw_key, service.platformKey]) {
      for (const to of ['GET /v1/platforms', 'POST /v1/platforms', 'POST /v1/projections/access/rebuild']) {
        const [method = '', path = ''] = to.split(' ');
        const answer = await service.request(method, path, { key });
        expectProblem(answer, { status: 403, code: 'forbidden' });
      }
    }
  });

  it('given the root key, when an unknown projection is rebuilt, then 404', async () => {
    const key = service.rootKey;
    const answer = await service.request('POST', '/v1/projections/nothing/rebuild', { key, body: {} });
    expectProblem(answer, { status: 404, code: 'not_found' });
    const verify = { key, body: { verify: 'yes' } };
    const refused = await service.request('POST', '/v1/projections/access/rebuild', verify);
    expectProblem(refused, { status: 400, code: 'invalid_input', field: 'verify' });
  });

  it.each(['', 'garbage', MISTYPED, createApiKey('user'), createApiKey('plat'), 'x\0'])(
    'given the key %j, when it is verified, then it is unknown',
    async (key) => {
      const answer = await service.request('POST', '/v1/keys/verify', { body: { key } });
      expect([answer.status, answer.body]).toEqual([200, { valid: false, code: 'unknown' }]);
    },
  );
});
