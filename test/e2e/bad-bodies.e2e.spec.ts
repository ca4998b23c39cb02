import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Service } from '#testing';
import { invalid, itRefuses, type Refusal } from './refusals.js';
import { createUser, expectStatus, MISSING_ID, start, type User } from './support.js';

const CREATE = 'POST /v1/users';
const PATCH = 'PATCH /v1/users/:id';
const KEY = 'POST /v1/users/:id/keys';
const VERIFY = 'POST /v1/keys/verify';
const BUDGET = 'PUT /v1/users/:id/budget';
const SPEND = 'POST /v1/users/:id/budget/spend';
const SECRET = 'PUT /v1/users/:id/vault/name';
const PLATFORM = 'POST /v1/platforms';

const nested = (levels: number): object => (levels === 1 ? {} : { inner: nested(levels - 1) });
const tooLarge = (given: string, to: string, field: string, body: unknown): Refusal => ({
  given,
  to,
  body,
  field,
  status: 413,
  code: 'payload_too_large',
});
/** The field holds a value that it can't take. */
const bad = (to: string, field: string, value: unknown, others: object = {}): Refusal =>
  invalid(`${field}: ${JSON.stringify(value).slice(0, 40)}`, to, {
    field,
    body: { ...others, [field]: value },
  });

const BODIES: Refusal[] = [
  ...[CREATE, PATCH, KEY, VERIFY, BUDGET, SPEND, SECRET]
    .flatMap((to) => [
      invalid('malformed JSON', to, { field: 'body', body: '{"label": ' }),
      invalid('a list', to, { field: 'body', body: '[]' }),
      invalid('null', to, { field: 'body', body: 'null' }),
      invalid('a string', to, { field: 'body', body: '"text"' }),
      invalid('an unknown field', to, {
        field: 'nickname',
        body: { key: 'k', limit_usd: 1, period: 'none', amount_usd: 1, value: 'v', nickname: 'x' },
      }),
    ])
    .map((row) => (row.field === 'nickname' ? onlyUnknown(row) : row)),
  invalid('a number', CREATE, { field: 'body', body: '42' }),
  invalid('more than one JSON text', CREATE, { field: 'body', body: '{} {}' }),
  invalid('a NaN', SPEND, { field: 'body', body: '{"amount_usd": NaN}' }),
  invalid('bytes that are no UTF-8', CREATE, {
    field: 'body',
    body: Buffer.concat([Buffer.from('{"label":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]),
  }),
  ...['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'nonsense'].map(
    (type) =>
      invalid(`content-type ${type}`, CREATE, {
        field: 'body',
        body: '{}',
        headers: { 'content-type': type },
      }),
  ),
  tooLarge('1 MiB', CREATE, 'body', { label: 'x'.repeat(1024 * 1024) }),
  tooLarge('257 KiB', SECRET, 'body', { value: 'x'.repeat(257 * 1024) }),
  tooLarge('100,000 levels', CREATE, 'metadata', `{"metadata": {"a": ${'['.repeat(1e5)}${']'.repeat(1e5)}}}`),
  tooLarge('9 levels of metadata', CREATE, 'metadata', { metadata: nested(9) }),
  tooLarge('17 KiB of metadata', PATCH, 'metadata', { metadata: { text: 'x'.repeat(17 * 1024) } }),
  invalid('__proto__ at the top', CREATE, { field: '__proto__', body: '{"__proto__": {"role": "owner"}}' }),
  invalid('constructor at the top', CREATE, { field: 'constructor', body: '{"constructor": {}}' }),
  invalid('__proto__ at the top', PATCH, { field: '__proto__', body: '{"__proto__": null}' }),
];

/** The fields that this route does not know, less the one that the row is about. */
function onlyUnknown(row: Refusal): Refusal {
  const known: Record<string, object> = {
    [VERIFY]: { key: 'k' },
    [BUDGET]: { limit_usd: 1, period: 'none' },
    [SPEND]: { amount_usd: 1 },
    [SECRET]: { value: 'v' },
  };
  return { ...row, body: { ...known[row.to], nickname: 'x' } };
}

const FIELDS: Refusal[] = [
  bad(CREATE, 'external_id', 'x'.repeat(300)),
  bad(CREATE, 'external_id', ''),
  bad(CREATE, 'external_id', 42),
  bad(CREATE, 'external_id', 'nul\0'),
  invalid('a lone surrogate', CREATE, { field: 'external_id', body: '{"external_id": "\\ud800"}' }),
  bad(CREATE, 'email', 'nobody'),
  bad(CREATE, 'email', `${'x'.repeat(300)}@example.com`),
  bad(CREATE, 'email', { at: 'example.com' }),
  bad(CREATE, 'label', ['x']),
  bad(CREATE, 'label', 'x'.repeat(256)),
  bad(CREATE, 'phone_number', '044 668 18 00'),
  bad(CREATE, 'role', ''),
  bad(CREATE, 'role', null),
  bad(CREATE, 'teams', 'one'),
  bad(CREATE, 'teams', ['one', 1]),
  bad(CREATE, 'teams', ['one', 'one']),
  bad(CREATE, 'account_kit_id', 'kit-uuid'),
  bad(CREATE, 'account_kit_id', MISSING_ID),
  bad(CREATE, 'account_kit_id', 7),
  bad(CREATE, 'metadata', 'text'),
  bad(CREATE, 'metadata', []),
  bad(CREATE, 'metadata', null),
  invalid('a number that no double holds', CREATE, { field: 'metadata', body: '{"metadata": {"n": 1e400}}' }),
  bad(CREATE, 'status', 'suspended'),
  bad(CREATE, 'id', MISSING_ID),
  bad(CREATE, 'tenant_id', MISSING_ID),
  bad(CREATE, 'is_default', true),
  bad(PATCH, 'status', 'deleted'),
  bad(PATCH, 'status', null),
  bad(PATCH, 'external_id', 'other'),
  bad(PATCH, 'revision', 7),
  bad(PATCH, 'email', 'nobody'),
  bad(PATCH, 'account_kit_id', MISSING_ID),
  bad(KEY, 'name', 'x'.repeat(300)),
  bad(KEY, 'name', 5),
  bad(KEY, 'scopes', 'inference'),
  bad(KEY, 'scopes', [1]),
  bad(KEY, 'expires_at', 'tomorrow'),
  bad(KEY, 'expires_at', '2020-01-01T00:00:00Z'),
  bad(KEY, 'expires_at', '2030-02-31T00:00:00Z'),
  bad(KEY, 'raw_key', 'tnt_user_mine'),
  invalid('no key', VERIFY, { field: 'key', body: {} }),
  bad(VERIFY, 'key', 42),
  bad(VERIFY, 'scope', 42, { key: 'k' }),
  invalid('no limit', BUDGET, { field: 'limit_usd', body: { period: 'none' } }),
  invalid('no period', BUDGET, { field: 'period', body: { limit_usd: '1' } }),
  ...['abc', '-1', '1e3', '0.0000001', '', ' 1', '1,50', -1, 1e30, 1e-7, null, true, ['1'], '1000000000'].map(
    (value) => bad(BUDGET, 'limit_usd', value, { period: 'none' }),
  ),
  bad(BUDGET, 'period', 'weekly', { limit_usd: 1 }),
  bad(SPEND, 'amount_usd', '-1.00'),
  bad(SPEND, 'amount_usd', 0),
  bad(SPEND, 'amount_usd', '0.0000001'),
  bad(SPEND, 'description', 'x'.repeat(501), { amount_usd: 1 }),
  invalid('no value', SECRET, { field: 'value', body: {} }),
  bad(SECRET, 'value', 42),
  bad(SECRET, 'value', null),
  invalid('no name', PLATFORM, { field: 'name', body: {}, asRoot: true }),
  { ...bad(PLATFORM, 'name', 5), asRoot: true },
  { ...bad(PLATFORM, 'settings', 5, { name: 'P' }), asRoot: true },
  { ...bad(PLATFORM, 'settings', ['x'], { name: 'P' }), asRoot: true },
  invalid('an unknown setting', PLATFORM, {
    field: 'settings.colour',
    body: { name: 'P', settings: { colour: 'red' } },
    asRoot: true,
  }),
  invalid('a setting that is no amount', PLATFORM, {
    field: 'settings.default_budget_usd',
    body: { name: 'P', settings: { default_budget_usd: 'much' } },
    asRoot: true,
  }),
];

describe('bodies that are refused', () => {
  let service: Service;
  let user: User;
  const living = () => ({ service, userId: user.id });

  beforeAll(async () => {
    service = await start();
    user = await createUser(service, { external_id: 'living' });
    const budget = { body: { limit_usd: '1.00', period: 'none' } };
    expectStatus(await service.request('PUT', `/v1/users/${user.id}/budget`, budget), 200);
  });

  itRefuses([...BODIES, ...FIELDS], living);

  it('given several bad fields, then all are named', async () => {
    const body = { email: 'nobody', label: 5, nickname: 'x' };
    const { body: problem } = await service.request<{ errors: { field: string }[] }>('POST', '/v1/users', {
      body,
    });
    expect(problem.errors.map(({ field }) => field).sort()).toEqual(['email', 'label', 'nickname']);
  });

  it('given all these, then nothing of the user has changed and nobody was created', async () => {
    expect((await service.request('GET', `/v1/users/${user.id}`)).body).toEqual(user);
    expect((await service.request('GET', '/v1/users')).body).toMatchObject({ total: 2 });
    const path = `/v1/users/${user.id}`;
    expect((await service.request('GET', `${path}/budget`)).body).toMatchObject({ remaining_usd: '1.00' });
    expect((await service.request('GET', `${path}/keys`)).body).toMatchObject({ total: 0 });
    expect((await service.request('GET', `${path}/vault`)).body).toMatchObject({ total: 0 });
  });
});

describe('metadata that is unusual', () => {
  let service: Service;

  beforeAll(async () => {
    service = await start();
  });

  it.each([
    ['__proto__ and its like as keys', '{"__proto__":{"admin":true},"constructor":{"prototype":{"a":1}}}'],
    ['such keys further down', '{"a":[{"__proto__":{"b":null}},{"toString":"x","hasOwnProperty":1}]}'],
    ['NUL and other controls', '{"a":"\\u0000\\u0001\\u001f","\\u0000":1}'],
    ['lone surrogates', '{"a":"\\ud800","b":"x\\udc00y"}'],
    ['numbers at the edges', '{"a":9007199254740991,"b":-0.1,"c":1e+300,"d":5e-324}'],
    ['empty keys and values', '{"":"","a":{},"b":[]}'],
    ['8 levels', JSON.stringify(nested(8))],
    ['keys that look like numbers', '{"1":"one","2":"two","10":"ten"}'],
  ])('given %s, then they are stored and returned exactly', async (_, metadata) => {
    const body = `{"metadata": ${metadata}}`;
    const created = expectStatus(await service.request<User>('POST', '/v1/users', { body }), 201);
    expect(created.text).toContain(`"metadata":${metadata}`);
    const read = await service.request('GET', `/v1/users/${created.body.id}`);
    expect(read.text).toBe(created.text);
    const patched = await service.request('PATCH', `/v1/users/${created.body.id}`, {
      body: '{"metadata": {}}',
    });
    expect(expectStatus(patched, 200).text).toContain('"metadata":{}');
    const back = await service.request('PATCH', `/v1/users/${created.body.id}`, { body });
    expect(expectStatus(back, 200).text).toContain(`"metadata":${metadata}`);
  });
});
