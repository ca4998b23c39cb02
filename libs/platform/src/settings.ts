import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clientConnectionString } from '#event-store';
import { isTenantryError } from '#kernel';
import type { KafkaSettings } from '#message-bus';
import { parsePostgresUrl } from '#projections';
import { createApiKey, parseApiKey } from './access/api-key.js';
import { readKafkaSettings } from './kafka-settings.js';
import { InvalidSetting, readInteger } from './setting.js';

export { InvalidSetting };

export interface Settings {
  host: string;
  port: number;
  dataDir: string;
  /** The connection string of EventStoreDB or KurrentDB; the log is a file in the data dir when left out. */
  eventStoreUrl: string | undefined;
  /** Before the name of every stream there, so that several platforms of this service can share a server. */
  streamPrefix: string;
  logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';
  /** 32 bytes that wrap the users' keys. */
  masterKey: Uint8Array;
  rootKey: string;
  /** How long a write waits for its own projection before it answers with its position alone. */
  readYourWritesTimeoutMs: number;
  /** Where browsers reach this service, without a slash at the end; null for the address it listens on. */
  publicUrl: string | null;
  /** How long a provider of connections may take to answer one request. */
  providerTimeoutMs: number;
  /** Requests that a platform key may make in one tenant in a window; 0 for any number. */
  rateLimitRequests: number;
  rateLimitWindowSeconds: number;
  /** Authenticated requests in work at once; others wait, and the tenants take turns. */
  maxConcurrentRequests: number;
  /** PostgreSQL for the read models and the Idempotency-Keys; SQLite files in the data dir when left out. */
  databaseUrl?: string;
  /** PostgreSQL for the users' keys; a SQLite file in the data dir when left out. */
  keyStoreUrl?: string;
  /** Goes on from an embedded log that is older than the other files of the data dir. */
  acceptOlderLog?: boolean;
  /** The embedded bus when left out. */
  kafka?: KafkaSettings | undefined;
  /** Where the tenant-users service answers; needed where it runs in a process of its own. */
  tenantUsersUrl?: string | undefined;
  /** Where the other services answer that run in processes of their own; known to the tenant-users service. */
  serviceUrls?: string[];
  /** Tells the positions of this service's own log from those of other services' logs, 0 to 7. */
  logNumber?: number | undefined;
}

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

/**
 * Reads the settings from the environment; makes the data dir, the master key and the root key (files of mode
 * 0600) where they are missing. Throws InvalidSetting.
 */
export function loadSettings(env: NodeJS.ProcessEnv): Settings {
  const databaseUrl = readPostgresUrl(env, 'DATABASE_URL');
  const keyStoreUrl = readPostgresUrl(env, 'TENANTRY_KEY_STORE_URL') ?? databaseUrl;
  const dataDir = env.TENANTRY_DATA_DIR || './data';
  makeDataDir(dataDir);
  return {
    host: env.HOST || '127.0.0.1',
    port: readInteger(env, 'PORT', { default: 3000, min: 0, max: 65_535 }),
    dataDir,
    eventStoreUrl: readEventStoreUrl(env),
    streamPrefix: readStreamPrefix(env),
    logLevel: readLogLevel(env),
    masterKey: readMasterKey(env, dataDir),
    rootKey: readRootKey(env, dataDir),
    readYourWritesTimeoutMs: readInteger(env, 'TENANTRY_READ_YOUR_WRITES_TIMEOUT_MS', {
      default: 2_000,
      min: 0,
      max: 60_000,
    }),
    publicUrl: readPublicUrl(env),
    providerTimeoutMs: readInteger(env, 'TENANTRY_PROVIDER_TIMEOUT_MS', {
      default: 5_000,
      min: 100,
      max: 60_000,
    }),
    rateLimitRequests: readInteger(env, 'TENANTRY_RATE_LIMIT_REQUESTS', {
      default: 0,
      min: 0,
      max: 1_000_000,
    }),
    rateLimitWindowSeconds: readInteger(env, 'TENANTRY_RATE_LIMIT_WINDOW_SECONDS', {
      default: 1,
      min: 1,
      max: 86_400,
    }),
    maxConcurrentRequests: readInteger(env, 'TENANTRY_MAX_CONCURRENT_REQUESTS', {
      default: 256,
      min: 1,
      max: 100_000,
    }),
    ...(databaseUrl && { databaseUrl }),
    ...(keyStoreUrl && { keyStoreUrl }),
    acceptOlderLog: env.TENANTRY_ACCEPT_OLDER_LOG === 'true',
    kafka: readKafkaSettings(env),
    ...readServices(env),
  };
}

/** Where the services of one deployment find each other. */
function readServices(
  env: NodeJS.ProcessEnv,
): Pick<Settings, 'tenantUsersUrl' | 'serviceUrls' | 'logNumber'> {
  const urls = (variable: string): string[] =>
    (env[variable] ?? '')
      .split(',')
      .filter(Boolean)
      .map((text) => readUrl(variable, text));
  return {
    tenantUsersUrl: urls('TENANTRY_TENANT_USERS_URL')[0],
    serviceUrls: urls('TENANTRY_SERVICE_URLS'),
    logNumber: env.TENANTRY_LOG_NUMBER
      ? readInteger(env, 'TENANTRY_LOG_NUMBER', { default: 0, min: 0, max: 7 })
      : undefined,
  };
}

function readPostgresUrl(env: NodeJS.ProcessEnv, variable: string): string | undefined {
  const url = env[variable] || undefined;
  try {
    if (url) parsePostgresUrl(url);
  } catch (error) {
    throw isTenantryError(error) ? new InvalidSetting(variable, error.message) : error;
  }
  return url;
}

function makeDataDir(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new InvalidSetting(
      'TENANTRY_DATA_DIR',
      `cannot be made (${(error as NodeJS.ErrnoException).code})`,
    );
  }
}

function readPublicUrl(env: NodeJS.ProcessEnv): string | null {
  const text = env.TENANTRY_PUBLIC_URL;
  return text ? readUrl('TENANTRY_PUBLIC_URL', text) : null;
}

/** Without a slash at the end. */
function readUrl(variable: string, text: string): string {
  const url = URL.parse(text.trim());
  const isPlain = url && url.username + url.password + url.search + url.hash === '';
  if (!isPlain || !/^https?:$/.test(url.protocol)) {
    throw new InvalidSetting(variable, 'must be an http or https URL without a query');
  }
  return url.href.replace(/\/$/, '');
}

function readEventStoreUrl(env: NodeJS.ProcessEnv): string | undefined {
  const url = env.EVENT_STORE_URL || undefined;
  try {
    if (url) clientConnectionString(url);
  } catch (error) {
    throw new InvalidSetting('EVENT_STORE_URL', (error as Error).message);
  }
  return url;
}

function readStreamPrefix(env: NodeJS.ProcessEnv): string {
  const prefix = env.TENANTRY_STREAM_PREFIX ?? '';
  if (!/^\w{0,32}$/.test(prefix)) {
    throw new InvalidSetting('TENANTRY_STREAM_PREFIX', 'must be at most 32 letters, digits and underscores');
  }
  return prefix;
}

function readLogLevel(env: NodeJS.ProcessEnv): Settings['logLevel'] {
  const text = env.LOG_LEVEL || 'info';
  const level = LOG_LEVELS.find((known) => known === text);
  if (!level) throw new InvalidSetting('LOG_LEVEL', `must be one of ${LOG_LEVELS.join(', ')}`);
  return level;
}

function readMasterKey(env: NodeJS.ProcessEnv, dataDir: string): Uint8Array {
  const text =
    env.TENANTRY_MASTER_KEY ||
    secretFile('TENANTRY_MASTER_KEY', join(dataDir, 'master-key'), () => randomBytes(32).toString('base64'));
  const key = Buffer.from(text, 'base64');
  if (key.length !== 32) throw new InvalidSetting('TENANTRY_MASTER_KEY', 'must be 32 bytes in base64');
  return key;
}

function readRootKey(env: NodeJS.ProcessEnv, dataDir: string): string {
  const key =
    env.TENANTRY_ROOT_KEY ||
    secretFile('TENANTRY_ROOT_KEY', join(dataDir, 'root-key'), () => createApiKey('root'));
  if (parseApiKey(key)?.kind !== 'root') {
    throw new InvalidSetting('TENANTRY_ROOT_KEY', 'must be a tnt_root_… key with a right checksum');
  }
  return key;
}

/**
 * The text of a file of mode 0600, made with `create` where it does not exist: whole or not at all, and durable
 * before anyone builds on it.
 */
export function secretFile(variable: string, path: string, create: () => string): string {
  try {
    if (!existsSync(path)) {
      const draft = `${path}.${process.pid}`;
      writeFileSync(draft, `${create()}\n`, { mode: 0o600, flush: true });
      renameSync(draft, path);
    }
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new InvalidSetting(variable, `its file in the data dir cannot be used (${code})`);
  }
}
