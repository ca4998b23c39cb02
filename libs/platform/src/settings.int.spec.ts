import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createApiKey } from './access/api-key.js';
import { InvalidSetting, loadSettings } from './settings.js';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'tenantry-settings-'));
});
afterEach(() => rmSync(dataDir, { recursive: true }));

const load = (env: NodeJS.ProcessEnv) => loadSettings({ TENANTRY_DATA_DIR: dataDir, ...env });

describe('settings', () => {
  it('given nothing, takes the defaults and keeps its own keys in files that others cannot read', () => {
    const settings = load({});
    expect(settings).toMatchObject({ host: '127.0.0.1', port: 3000, logLevel: 'info', dataDir });
    for (const name of ['master-key', 'root-key']) {
      expect(statSync(join(dataDir, name)).mode & 0o777).toBe(0o600);
    }
    expect(readFileSync(join(dataDir, 'root-key'), 'utf8').trim()).toBe(settings.rootKey);
    expect(load({})).toEqual(settings);
  });

  it.each([
    ['PORT', 'abc'],
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['TENANTRY_RATE_LIMIT_REQUESTS', '-1'],
    ['TENANTRY_RATE_LIMIT_WINDOW_SECONDS', '-2'],
    ['TENANTRY_MAX_CONCURRENT_REQUESTS', '-2'],
    ['LOG_LEVEL', 'loud'],
    ['TENANTRY_PUBLIC_URL', 'tenantry.example.com'],
    ['TENANTRY_PUBLIC_URL', 'ftp://tenantry.example.com'],
    ['TENANTRY_PUBLIC_URL', 'https://user:secret@tenantry.example.com'],
    ['TENANTRY_PROVIDER_TIMEOUT_MS', '99'],
    ['TENANTRY_TENANT_USERS_URL', 'tenant-users:3000'],
    ['TENANTRY_SERVICE_URLS', 'http://keys:3000,budgets:3000'],
    ['TENANTRY_LOG_NUMBER', '8'],
    ['TENANTRY_MASTER_KEY', 'c2hvcnQ='],
    ['TENANTRY_ROOT_KEY', 'secret'],
    ['TENANTRY_ROOT_KEY', createApiKey('plat')],
    ['EVENT_STORE_URL', 'http://localhost:2113'],
    ['EVENT_STORE_URL', 'esdb://?tls=false'],
    ['EVENT_STORE_URL', 'esdb://admin:changeit@localhost:port'],
    ['EVENT_STORE_URL', 'esdb://admin:changeit@localhost?tlsVerifyCert=false'],
    ['EVENT_STORE_URL', 'esdb://admin:changeit@localhost?tsl=false'],
    ['TENANTRY_STREAM_PREFIX', 'a-b'],
    ['KAFKA_BROKERS', 'localhost'],
    ['KAFKA_BROKERS', 'localhost:99999'],
    ['KAFKA_BROKERS', 'kafka://localhost:9092'],
    ['DATABASE_URL', 'localhost:5432'],
    ['DATABASE_URL', 'mysql://localhost/tenantry'],
    ['DATABASE_URL', 'postgres://localhost'],
    ['TENANTRY_KEY_STORE_URL', 'postgres://localhost/tenantry?schema=Mine'],
  ])('given a wrong %s, refuses by its name without repeating the value', (variable, value) => {
    const refused = () => load({ [variable]: value });
    expect(refused).toThrow(InvalidSetting);
    expect(refused).toThrow(new RegExp(`^${variable}: `));
    for (const secret of [value, 'changeit']) expect(refused).not.toThrow(secret);
  });

  it('given a public URL, takes it without the slash at its end', () => {
    expect(load({}).publicUrl).toBeNull();
    expect(load({ TENANTRY_PUBLIC_URL: 'https://tenantry.example.com/' })).toMatchObject({
      publicUrl: 'https://tenantry.example.com',
      providerTimeoutMs: 5_000,
    });
  });

  it('given where the other services are, takes them without the slashes at their ends', () => {
    const env = { TENANTRY_SERVICE_URLS: 'http://keys:3000/, http://budgets:3000', TENANTRY_LOG_NUMBER: '0' };
    expect(load(env)).toMatchObject({
      serviceUrls: ['http://keys:3000', 'http://budgets:3000'],
      logNumber: 0,
    });
    expect(load({})).toMatchObject({ serviceUrls: [], logNumber: undefined, tenantUsersUrl: undefined });
  });

  it.each(['esdb://localhost:2113?tls=false', 'kurrentdb+discover://user:pass@cluster.example:2113'])(
    'given %s, takes it for the event store',
    (url) => {
      expect(load({ EVENT_STORE_URL: url }).eventStoreUrl).toBe(url);
    },
  );

  it('given DATABASE_URL alone, takes it for the keys too', () => {
    const [url, other] = ['postgres://localhost/tenantry', 'postgres://elsewhere/keys?schema=keys'];
    expect(load({ DATABASE_URL: url })).toMatchObject({ databaseUrl: url, keyStoreUrl: url });
    expect(load({ DATABASE_URL: url, TENANTRY_KEY_STORE_URL: other })).toMatchObject({ keyStoreUrl: other });
  });

  it.each([
    ['KAFKA_TOPIC_PREFIX', 'a b'],
    ['KAFKA_TOPIC_PARTITIONS', '0'],
    ['KAFKA_SSL', 'yes'],
    ['KAFKA_SSL_CA', '/no/such/file'],
    ['KAFKA_SASL_MECHANISM', 'magic'],
    ['KAFKA_SASL_USERNAME', ''],
    ['KAFKA_SASL_PASSWORD', ''],
  ])('given brokers and a wrong %s, refuses by its name', (variable, value) => {
    const login = { KAFKA_SASL_USERNAME: 'user', KAFKA_SASL_PASSWORD: 'password' };
    const env = { KAFKA_BROKERS: 'localhost:9092', ...login, [variable]: value };
    expect(() => load(env)).toThrow(InvalidSetting);
    expect(() => load(env)).toThrow(new RegExp(`^${variable}: `));
  });

  it('given brokers, takes TLS, a login and how topics are made', () => {
    expect(load({ KAFKA_BROKERS: 'localhost:9092' }).kafka).toMatchObject({ prefix: '', partitions: 12 });
    const env = {
      KAFKA_BROKERS: 'one:9092, [::1]:9093',
      KAFKA_SSL: 'true',
      KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512',
      KAFKA_SASL_USERNAME: 'user',
      KAFKA_SASL_PASSWORD: 'password',
      KAFKA_TOPIC_PREFIX: 'test.',
      KAFKA_TOPIC_RETENTION_HOURS: '1',
    };
    expect(load(env).kafka).toEqual({
      brokers: ['one:9092', '[::1]:9093'],
      clientId: 'tenantry',
      ssl: {},
      sasl: { mechanism: 'scram-sha-512', username: 'user', password: 'password' },
      prefix: 'test.',
      partitions: 12,
      replicationFactor: undefined,
      retentionMs: 3_600_000,
    });
  });

  it('given a data dir that is a file, refuses', () => {
    const file = join(dataDir, 'file');
    writeFileSync(file, '');
    expect(() => load({ TENANTRY_DATA_DIR: file })).toThrow(/^TENANTRY_DATA_DIR: /);
  });
});
