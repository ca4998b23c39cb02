import { once } from 'node:events';
import { createServer } from 'node:net';
import { beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { onOwnPostgres } from '../../libs/testing/src/back-ends/on-back-end.js';
import type { PostgresCluster } from '../../libs/testing/src/back-ends/postgres-cluster.js';
import {
  createEquippedUser,
  createUser,
  eventually,
  expectProblem,
  ServiceNotStarted,
  start,
  temporaryDataDir,
  type User,
  verifyKey,
} from './support.js';

const EX_CONFIG = 78;

async function onServer(url: string, ...statements: string[]): Promise<pg.QueryResult[]> {
  const client = new pg.Client(url);
  await client.connect();
  const results: pg.QueryResult[] = [];
  for (const statement of statements) results.push(await client.query(statement));
  await client.end();
  return results;
}

/** A user who needs a password, while the tests' own needs none. */
async function demandPassword(url: string): Promise<void> {
  const [shown] = await onServer(url, 'show hba_file');
  const rules = ['host all guest 127.0.0.1/32 scram-sha-256', 'host all all 127.0.0.1/32 trust'];
  const rows = rules.map((rule) => `('${rule}')`).join();
  await onServer(
    url,
    `create role guest login password 'right'`,
    `copy (select * from (values ${rows}) as rules) to '${shown?.rows[0].hba_file}'`,
    'select pg_reload_conf()',
  );
}

const describeWrongSettings = (cluster: PostgresCluster) => {
  const at = (change: (url: URL) => void) => () => {
    const url = new URL(cluster.url);
    change(url);
    return url.href;
  };
  beforeAll(() => demandPassword(cluster.url));

  const password = at((url) => Object.assign(url, { username: 'guest', password: 'wrong-one' }));

  it.each([
    [
      'no such host',
      'DATABASE_URL',
      at((url) => Object.assign(url, { hostname: 'no-such-host.invalid' })),
      /host/,
    ],
    ['a wrong password', 'DATABASE_URL', password, /password/],
    ['a wrong password', 'TENANTRY_KEY_STORE_URL', password, /password/],
    [
      'no such database',
      'DATABASE_URL',
      at((url) => Object.assign(url, { pathname: '/missing' })),
      /no such database/,
    ],
    ['another protocol', 'DATABASE_URL', () => 'mysql://localhost/tenantry', /postgres:\/\//],
  ])(
    'given %s in %s, then exits with 78 and one line that names the variable and the cause',
    async (_, variable, url, cause) => {
      const failed = await start({ env: { [variable]: url() } }).catch((error: unknown) => error);
      if (!(failed instanceof ServiceNotStarted)) throw failed;
      const { code, stdout, stderr } = failed.exit;
      expect([code, stdout]).toEqual([EX_CONFIG, '']);
      const lines = stderr.split('\n').filter(Boolean);
      expect(lines).toEqual([expect.stringMatching(new RegExp(`^${variable}: .*${cause.source}`))]);
      expect(stderr).not.toContain('wrong-one');
    },
  );
};

/** Resolves once somebody has connected to the port in vain. */
async function hungUpOn(port: number): Promise<void> {
  const server = createServer((socket) => socket.destroy()).listen(port, '127.0.0.1');
  await once(server, 'connection');
  server.close();
  await once(server, 'close');
}

const describeOutage = (cluster: PostgresCluster) => {
  it('while the server is down, then commands go on and reads answer 503; when it is back, all catches up', async () => {
    const service = await start({ env: { DATABASE_URL: `${cluster.url}?schema=outage` } });
    const early = await createEquippedUser(service, { label: 'early' });
    await eventually(
      () => service.request('GET', '/health/ready'),
      ({ status }) => status === 200,
    );
    await cluster.kill();
    await eventually(
      () => service.request('GET', '/health/ready'),
      ({ status }) => status === 503,
    );
    const made: User[] = [];
    for (let index = 0; index < 20; index += 1)
      made.push(await createUser(service, { label: `late ${index}` }));
    expectProblem(await service.request('GET', `/v1/users/${made[0]?.id}`), {
      status: 503,
      code: 'projection_behind',
    });
    await cluster.restart();
    const isReady = await eventually(
      () => service.request('GET', '/health/ready'),
      ({ status }) => status === 200,
      30_000,
    );
    expect(isReady.status).toBe(200);
    for (const user of made)
      expect((await service.request('GET', `/v1/users/${user.id}`)).body).toEqual(user);
    expect(await verifyKey(service, early.rawKey)).toMatchObject({ valid: true });
    expect((await service.stop()).code).toBe(0);
  });

  it('given a server that is only down, when the service starts, then it waits and says why', async () => {
    await cluster.kill();
    const dataDir = temporaryDataDir();
    const starting = start({ dataDir, env: { DATABASE_URL: `${cluster.url}?schema=late` } });
    await hungUpOn(Number(new URL(cluster.url).port));
    await cluster.restart();
    const service = await starting;
    expect(service.logs()).toMatch(/DATABASE_URL: the server cannot be reached \([\w ]+\); trying again/);
    await createUser(service);
  });
};

await onOwnPostgres((cluster) => {
  describe('wrong settings of PostgreSQL', () => describeWrongSettings(cluster));
  describe('PostgreSQL that goes and comes back', () => describeOutage(cluster));
});
