import { join } from 'node:path';
import { InvalidSetting, type Settings } from '#platform';
import { SERVICES, type ServiceName } from './routes.js';

/** What a service's settings take of its schema's name. */
const MAX_SCHEMA_LENGTH = 33;
const DEFAULT_SCHEMA = 'tenantry';

/**
 * The environment of one service: this process's own, but for what each service has to itself and what all must agree
 * on. Throws InvalidSetting.
 */
export function serviceEnvironment(
  service: ServiceName,
  {
    settings,
    env,
    insideUrl,
    publicUrl,
  }: { settings: Settings; env: NodeJS.ProcessEnv; insideUrl: string; publicUrl: string },
): NodeJS.ProcessEnv {
  const { dataDir, databaseUrl, keyStoreUrl } = settings;
  const urlOf = (name: ServiceName) => `${insideUrl}/${name}`;
  const others = SERVICES.filter((name) => name !== 'tenant-users');
  return {
    ...env,
    HOST: '127.0.0.1',
    // A port chosen ahead may be another's by the time the service listens.
    PORT: '0',
    TENANTRY_DATA_DIR: join(dataDir, service),
    TENANTRY_MASTER_KEY: Buffer.from(settings.masterKey).toString('base64'),
    TENANTRY_ROOT_KEY: settings.rootKey,
    TENANTRY_PUBLIC_URL: publicUrl,
    ...(service === 'tenant-users'
      ? { TENANTRY_SERVICE_URLS: others.map(urlOf).join(',') }
      : { TENANTRY_TENANT_USERS_URL: urlOf('tenant-users') }),
    ...(databaseUrl && { DATABASE_URL: withOwnSchema('DATABASE_URL', databaseUrl, service) }),
    ...(keyStoreUrl && {
      TENANTRY_KEY_STORE_URL: withOwnSchema('TENANTRY_KEY_STORE_URL', keyStoreUrl, service),
    }),
    ...(settings.eventStoreUrl ? {} : { TENANTRY_LOG_NUMBER: String(SERVICES.indexOf(service)) }),
  };
}

/** Of the form NAME_svc_SERVICE, as a service also makes schemas named after its own with `_keys` and `_requests`. */
function withOwnSchema(variable: string, text: string, service: ServiceName): string {
  const url = new URL(text);
  const given = url.searchParams.get('schema') ?? DEFAULT_SCHEMA;
  const longest = '_svc_tenant_users';
  if (given.length + longest.length > MAX_SCHEMA_LENGTH) {
    const most = MAX_SCHEMA_LENGTH - longest.length;
    throw new InvalidSetting(
      variable,
      `its schema may have at most ${most} characters here, as each service adds to it`,
    );
  }
  url.searchParams.set('schema', `${given}_svc_${service.replaceAll('-', '_')}`);
  return url.href;
}
