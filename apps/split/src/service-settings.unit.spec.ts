import { describe, expect, it } from '@jest/globals';
import { InvalidSetting, type Settings } from '#platform';
import { parsePostgresUrl } from '#projections';
import { SERVICES, type ServiceName } from './routes.js';
import { serviceEnvironment } from './service-settings.js';

const insideUrl = 'http://127.0.0.1:4000';
const env = { PATH: '/bin', PORT: '3000', KAFKA_BROKERS: 'kafka:9092', TENANTRY_LOG_NUMBER: '7' };

function environments(given: Partial<Settings> = {}): Record<ServiceName, NodeJS.ProcessEnv> {
  const settings = {
    dataDir: './data',
    masterKey: new Uint8Array(32).fill(1),
    rootKey: 'tnt_root_x',
    eventStoreUrl: undefined,
    ...given,
  } as Settings;
  const publicUrl = 'http://127.0.0.1:3000';
  return Object.fromEntries(
    SERVICES.map((service) => [
      service,
      serviceEnvironment(service, { settings, env, insideUrl, publicUrl }),
    ]),
  ) as Record<ServiceName, NodeJS.ProcessEnv>;
}

const schemasOf = (variable: string, given: Partial<Settings>): string[] =>
  Object.values(environments(given)).flatMap((each) => {
    const url = each[variable] ?? '';
    return [undefined, 'requests', 'keys'].map((part) => parsePostgresUrl(url, part).schema);
  });

describe('the environment of a service', () => {
  it('has what each has to itself, what all agree on, and the rest as it was given', () => {
    const { keys, 'tenant-users': tenantUsers } = environments();
    expect(keys).toEqual({
      PATH: '/bin',
      KAFKA_BROKERS: 'kafka:9092',
      HOST: '127.0.0.1',
      PORT: '0',
      TENANTRY_DATA_DIR: 'data/keys',
      TENANTRY_MASTER_KEY: 'AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=',
      TENANTRY_ROOT_KEY: 'tnt_root_x',
      TENANTRY_PUBLIC_URL: 'http://127.0.0.1:3000',
      TENANTRY_TENANT_USERS_URL: 'http://127.0.0.1:4000/tenant-users',
      TENANTRY_LOG_NUMBER: '1',
    });
    expect(tenantUsers).toMatchObject({
      TENANTRY_SERVICE_URLS: ['keys', 'budgets', 'connections'].map((name) => `${insideUrl}/${name}`).join(),
      TENANTRY_LOG_NUMBER: '0',
    });
    expect(tenantUsers).not.toHaveProperty('TENANTRY_TENANT_USERS_URL');
  });

  it('numbers the logs only where each service has its own', () => {
    const numbers = (given?: Partial<Settings>) =>
      Object.values(environments(given)).map(({ TENANTRY_LOG_NUMBER }) => TENANTRY_LOG_NUMBER);
    expect(numbers()).toEqual(['0', '1', '2', '3']);
    expect(numbers({ eventStoreUrl: 'esdb://host' })).toEqual(['7', '7', '7', '7']);
  });

  it.each(['', '?schema=mine', '?schema=a_keys&sslmode=disable'])(
    'given a database with %p, then no two services share a schema, nor one with a service in one process',
    (query) => {
      const databaseUrl = `postgres://user@host/db${query}`;
      const own = [undefined, 'requests', 'keys'].map((part) => parsePostgresUrl(databaseUrl, part).schema);
      const schemas = schemasOf('DATABASE_URL', { databaseUrl });
      expect(new Set([...schemas, ...own]).size).toBe(15);
      expect(schemasOf('TENANTRY_KEY_STORE_URL', { keyStoreUrl: databaseUrl })).toEqual(schemas);
    },
  );

  it('keeps the rest of the URL, and takes the longest name that leaves room', () => {
    const databaseUrl = 'postgres://user:p%40ss@host:1/db?sslmode=disable&schema=abcdefghijklmnop';
    expect(environments({ databaseUrl }).keys.DATABASE_URL).toBe(
      'postgres://user:p%40ss@host:1/db?sslmode=disable&schema=abcdefghijklmnop_svc_keys',
    );
    expect(() => environments({ databaseUrl: `${databaseUrl}q` })).toThrow(InvalidSetting);
  });
});
