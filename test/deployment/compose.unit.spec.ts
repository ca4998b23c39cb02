import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { createApiKey, loadSettings } from '#platform';
import { parsePostgresUrl } from '#projections';
import { type ComposeService, readComposeFile, readProxyRoutes } from './compose-file.js';

const SECRETS = {
  TENANTRY_MASTER_KEY: Buffer.alloc(32, 1).toString('base64'),
  TENANTRY_ROOT_KEY: createApiKey('root'),
  POSTGRES_PASSWORD: 'a1b2c3',
};
const OURS = ['tenant-users', 'keys', 'budgets', 'connections'];
/** What `docker compose` cannot hold to: these write beside their volumes. */
const WRITE_TO_THEIR_IMAGE = ['eventstore', 'kafka'];

const file = readComposeFile(SECRETS);
const services = Object.entries(file.services);
const ours = services.filter(([name]) => OURS.includes(name));
const environmentOf = ({ environment = {} }: ComposeService) => environment;

const schema = JSON.parse(readFileSync('test/deployment/fixtures/compose-spec.json', 'utf8'));
const isComposeFile = new Ajv2020({ strict: false, validateFormats: false }).compile(schema);

describe('docker-compose.yml', () => {
  it('is what the Compose Specification allows', () => {
    isComposeFile(file);
    expect(isComposeFile.errors).toBeNull();
  });

  it.each([
    [{ services: { proxy: { imagee: 'caddy' } } }],
    [{ services: { proxy: { image: 'caddy', deploy: { resources: { limits: { memory: [] } } } } } }],
    [{ services: { proxy: { image: 'caddy', depends_on: { keys: { condition: 'healthy' } } } } }],
  ])('would be refused with a mistake as in %j', (broken) => {
    expect(isComposeFile(broken)).toBe(false);
  });

  it.each(Object.keys(SECRETS))('starts nothing without %s', (name) => {
    expect(() => readComposeFile({ ...SECRETS, [name]: '' })).toThrow(name);
  });

  it('asks for the secrets that make-env prints', () => {
    const printed = readFileSync('scripts/make-env.ts', 'utf8').matchAll(/^(?:console\.log\(`)?(\w+)=\$\{/gm);
    expect([...printed].map(([, name]) => name)).toEqual(Object.keys(SECRETS));
  });

  it('runs the four services, the three engines and a proxy', () => {
    const names = [
      'budgets',
      'connections',
      'eventstore',
      'kafka',
      'keys',
      'postgres',
      'proxy',
      'tenant-users',
    ];
    expect(services.map(([name]) => name).sort()).toEqual(names);
  });

  it.each(services)('checks the health of %s, bounds it, and lets it do little', (name, service) => {
    expect(service.healthcheck?.test?.length).toBeGreaterThan(1);
    const { cpus, memory } = service.deploy?.resources?.limits ?? {};
    expect(Number(cpus)).toBeGreaterThan(0);
    expect(memory).toMatch(/^\d+[MG]$/);
    expect(service.user).toMatch(/^[1-9]\d*:[1-9]\d*$|^appuser$/);
    expect(service.cap_drop).toEqual(['ALL']);
    expect(service.security_opt).toEqual(['no-new-privileges:true']);
    expect(service.restart).toBe('unless-stopped');
    expect(service.read_only === true).toBe(!WRITE_TO_THEIR_IMAGE.includes(name));
    // A whole version, so that a later start runs what an earlier one ran.
    if (!OURS.includes(name)) expect(service.image).toMatch(/:\d+\.\d+(\.\d+)?(-[\w-]+)?$/);
  });

  it('can be reached at the proxy alone, from this machine alone', () => {
    const published = services.flatMap(([name, { ports = [] }]) => ports.map((port) => [name, port]));
    expect(published).toEqual([['proxy', '127.0.0.1:3000:8080']]);
    expect(file.networks.engines).toEqual({ internal: true });
  });

  it('declares the volumes and networks that it uses, and no others', () => {
    const volumes = services.flatMap(([, { volumes: used = [] }]) => used.map((text) => text.split(':')[0]));
    const named = volumes.filter((name) => !name?.startsWith('.'));
    expect(named.sort()).toEqual(Object.keys(file.volumes).sort());
    const networks = services.flatMap(([, { networks: used = [] }]) => used);
    expect(new Set(networks)).toEqual(new Set(Object.keys(file.networks)));
  });

  it('keeps the log, the keys and the first platform key in volumes', () => {
    for (const name of ['eventstore', 'postgres', 'kafka', 'tenant-users']) {
      expect(file.services[name]?.volumes?.some((text) => text.startsWith(`${name}:/`))).toBe(true);
    }
  });
});

describe('a service in docker-compose.yml', () => {
  it.each(ours)('%s runs its own program, waits for what it needs, and has time to stop', (name, service) => {
    expect(service.command).toEqual([`dist/apps/${name}/src/main.js`]);
    expect(existsSync(`apps/${name}/src/main.ts`)).toBe(true);
    const needed = ['eventstore', 'kafka', 'postgres', ...(name === 'tenant-users' ? [] : ['tenant-users'])];
    expect(Object.keys(service.depends_on ?? {}).sort()).toEqual(needed.sort());
    for (const { condition } of Object.values(service.depends_on ?? {}))
      expect(condition).toBe('service_healthy');
    expect(service.healthcheck?.test?.join(' ')).toContain('http://127.0.0.1:3000/health/ready');
    expect(Number.parseInt(service.stop_grace_period ?? '', 10)).toBeGreaterThan(10);
  });

  it.each(ours)('%s has settings that its program takes', (_, service) => {
    const folder = mkdtempSync(join(tmpdir(), 'tenantry-compose-'));
    try {
      const settings = loadSettings({ ...environmentOf(service), TENANTRY_DATA_DIR: folder });
      expect(settings).toMatchObject({
        publicUrl: 'http://localhost:3000',
        rootKey: SECRETS.TENANTRY_ROOT_KEY,
      });
      expect(settings.kafka?.brokers).toEqual(['kafka:9092']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it.each(ours)('%s is told addresses at which another answers', (name, service) => {
    const { DATABASE_URL, EVENT_STORE_URL, KAFKA_BROKERS, ...rest } = environmentOf(service);
    const { TENANTRY_TENANT_USERS_URL, TENANTRY_SERVICE_URLS } = rest;
    const hosts = (text = '') => text.split(',').map((url) => new URL(url).host);
    expect(hosts(DATABASE_URL)).toEqual(['postgres:5432']);
    expect(hosts(EVENT_STORE_URL)).toEqual(['eventstore:2113']);
    expect(KAFKA_BROKERS).toBe('kafka:9092');
    expect(hosts(TENANTRY_TENANT_USERS_URL)).toEqual(['tenant-users:3000']);
    const others = OURS.filter((other) => other !== 'tenant-users').map((other) => `${other}:3000`);
    expect(name === 'tenant-users' ? hosts(TENANTRY_SERVICE_URLS) : others).toEqual(others);
    expect(service.networks).toEqual(['engines', 'public']);
  });

  it('shares no schema with another', () => {
    const schemas = ours.flatMap(([, service]) => {
      const url = environmentOf(service).DATABASE_URL ?? '';
      return [undefined, 'keys', 'requests'].map((part) => parsePostgresUrl(url, part).schema);
    });
    expect(new Set(schemas).size).toBe(OURS.length * 3);
  });
});

describe('the image', () => {
  const dockerfile = readFileSync('Dockerfile', 'utf8');

  it('runs the Node that package.json asks for', () => {
    const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
    expect(dockerfile).toContain(`ARG NODE_IMAGE=node:${lock.packages['node_modules/node'].version}-`);
    expect(dockerfile.match(/^FROM (?!\$\{NODE_IMAGE\})/gm)).toBeNull();
  });

  it('runs as another than root, and by default a program that the build makes', () => {
    expect(dockerfile).toMatch(/^USER 1000:1000$/m);
    const program = /^CMD \["dist\/(.+)\.js"\]$/m.exec(dockerfile)?.[1];
    expect(existsSync(`${program}.ts`)).toBe(true);
  });

  it('is built from nothing that .dockerignore keeps out', () => {
    const kept = readFileSync('.dockerignore', 'utf8').match(/(?<=^!).+$/gm);
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, list = '']) =>
      list.split(' '),
    );
    expect([...new Set(copied)].sort()).toEqual(kept?.sort());
    expect(copied.filter((path) => !existsSync(path))).toEqual([]);
  });
});

describe('the proxy', () => {
  const routes = readProxyRoutes();
  const { paths } = JSON.parse(readFileSync('openapi.json', 'utf8')) as { paths: object };
  const prefixes = controllerPrefixes();

  it.each(Object.keys(paths))('sends %s to the service that has it', (path) => {
    const owner = prefixes.find(([prefix]) => path === prefix || path.startsWith(`${prefix}/`))?.[1];
    // tenant-users answers for all of them where each of the services has the route.
    expect(routes(path)).toBe(owner ?? 'tenant-users');
  });

  it('knows the routes of every service', () => {
    expect(new Set(prefixes.map(([, service]) => service))).toEqual(new Set(OURS));
  });

  it.each([
    ['/internal', null],
    ['/internal/copies', null],
    ['/Internal/copies', null],
    ['/docs', 'tenant-users'],
    ['/health/ready', 'tenant-users'],
    ['/v1/keysmith', 'tenant-users'],
    ['/v1/users/keys', 'tenant-users'],
    ['/v1/users/a/keys/', 'keys'],
    ['/v1/users/a/b/keys', 'tenant-users'],
    ['/v1/users/a/budgets', 'tenant-users'],
  ])('sends %s to %s', (path, service) => expect(routes(path)).toBe(service));
});

/** The prefixes of the services' routes, as `/v1/users/{id}/keys`, the longest first. */
function controllerPrefixes(): [prefix: string, service: string][] {
  const found = globSync('apps/*/src/http/*.controller.ts').flatMap((path) => {
    const service = path.split(/[\\/]/)[1] ?? '';
    const prefixes = readFileSync(path, 'utf8').matchAll(/@Controller\('(v1\/[^']+)'\)/g);
    return [...prefixes].map(([, prefix = '']): [string, string] => [
      `/${prefix.replace(/:(\w+)/g, '{$1}')}`,
      service,
    ]);
  });
  return found.sort(([left], [right]) => right.length - left.length);
}
