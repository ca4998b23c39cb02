import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { originForm, type ServiceName, serviceOf } from './routes.js';

const ID = '019a8c5e-7b1a-7c3d-9e4f-0123456789ab';

const TARGETS: readonly [target: string, service: ServiceName][] = [
  ['/v1/keys/verify', 'keys'],
  ['/v1/keys', 'keys'],
  [`/v1/users/${ID}/keys`, 'keys'],
  ['/v1/users/default/keys?limit=2', 'keys'],
  [`/v1/users/${ID}/keys/${ID}/rotate`, 'keys'],
  [`/v1/users/${ID}/%6Beys`, 'keys'],
  ['/v1/users/a%2Fb/keys', 'keys'],
  ['/v1/users/%zz/keys', 'keys'],
  [`/v1/users/${ID}/budget/holds/${ID}/settle`, 'budgets'],
  [`/v1/users/${ID}/budget`, 'budgets'],
  [`/v1/users/${ID}/rate-limits/requests/consume`, 'budgets'],
  [`/v1/users/${ID}/connections/connect`, 'connections'],
  [`/v1/users/${ID}/vault/internal`, 'connections'],
  ['/v1/providers/github', 'connections'],
  ['/v1/connections/callback?code=a&state=/v1/keys', 'connections'],
  ['/v1/users', 'tenant-users'],
  [`/v1/users/${ID}`, 'tenant-users'],
  [`/v1/users/${ID}/deletion`, 'tenant-users'],
  ['/v1/users/keys', 'tenant-users'],
  ['/v1/users?q=/v1/keys', 'tenant-users'],
  ['/v1/keyset', 'tenant-users'],
  ['/v1/projections', 'tenant-users'],
  ['/v1/internal', 'tenant-users'],
  ['/docs', 'tenant-users'],
  ['/openapi.json', 'tenant-users'],
  ['/%', 'tenant-users'],
  ['*', 'tenant-users'],
];

describe('serviceOf', () => {
  it.each(TARGETS)('sends %s to %s', (target, service) => {
    expect(serviceOf(target)).toBe(service);
  });

  it.each([
    '/internal',
    '/internal/users',
    '/internal?x',
    '/INTERNAL/x',
    '//internal/x',
    '/./internal/x',
    '/v1/../internal',
    '/internal/../internal',
    '/internal/../v1/users',
    '/%69nternal/%zz',
    '/%2e%2e/%69nternal',
    '/internal%2Fx',
    '/internal;x',
  ])('keeps %s inside', (target) => {
    expect(serviceOf(target)).toBeUndefined();
  });

  it('knows the service of every path of the API', () => {
    const { paths } = JSON.parse(readFileSync('openapi.json', 'utf8')) as {
      paths: Record<string, Record<string, { tags: string[] }>>;
    };
    const services = new Map<string | undefined, Set<ServiceName | undefined>>();
    for (const [path, operations] of Object.entries(paths)) {
      const tag = Object.values(operations)[0]?.tags[0];
      const service = serviceOf(path.replaceAll(/\{\w+\}/g, ID));
      services.set(tag, (services.get(tag) ?? new Set()).add(service));
    }
    const others = new Map([
      ['Keys', 'keys'],
      ['Budgets', 'budgets'],
      ['Rate limits', 'budgets'],
      ['Vault', 'connections'],
      ['Connections', 'connections'],
    ]);
    expect(services.size).toBeGreaterThan(others.size);
    for (const [tag = '', found] of services) {
      expect([tag, ...found]).toEqual([tag, others.get(tag) ?? 'tenant-users']);
    }
  });
});

describe('originForm', () => {
  it.each([
    ['/v1/users?x=http://y/z', '/v1/users?x=http://y/z'],
    ['http://host:3000/v1/users?a=b', '/v1/users?a=b'],
    ['HTTP://host/internal', '/internal'],
    ['http://host?/internal', '/internal'],
    ['http:///internal', '/internal'],
    ['http://host', '/'],
    ['*', '*'],
    ['*internal', '/*internal'],
  ])('given %s, answers %s', (target, expected) => {
    expect(originForm(target)).toBe(expected);
  });
});
