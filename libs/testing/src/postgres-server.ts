import { execFile, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, globSync } from 'node:fs';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A PostgreSQL server for tests: the one that DATABASE_URL names, or a throwaway one of the machine's binaries. */
export interface PostgresServer {
  /** For one database; a schema is named with `urlOf`. */
  readonly url: string;
  /** A throwaway server can be ended (`immediate`: as by a crash) and started again. */
  stop(mode?: 'fast' | 'immediate'): Promise<void>;
  start(): Promise<void>;
  dispose(): Promise<void>;
}

/** The URL of a schema of its own on the server. */
export function schemaUrl(url: string, schema = `t_${randomBytes(8).toString('hex')}`): string {
  const address = new URL(url);
  address.searchParams.set('schema', schema);
  return address.href;
}

/** The folder of initdb and pg_ctl of the newest PostgreSQL on the machine; undefined where there is none. */
function binaries(): string | undefined {
  const folders = globSync('/usr/lib/postgresql/*/bin').sort(
    (a, b) => Number.parseInt(b, 10) - Number.parseInt(a, 10),
  );
  return [...folders, '/usr/local/bin', '/usr/bin', '/opt/homebrew/bin'].find((folder) =>
    existsSync(join(folder, 'initdb')),
  );
}

export const hasPostgres = (): boolean => Boolean(process.env.DATABASE_URL ?? binaries());

/** PostgreSQL refuses to run as root. */
function ownUser(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string) => Number(spawnSync('id', [flag, 'nobody'], { encoding: 'utf8' }).stdout);
  return { uid: id('-u'), gid: id('-g') };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Throws where the environment names no server and the machine has no binaries. */
export async function startPostgres(): Promise<PostgresServer> {
  const nothing = async () => undefined;
  const given = process.env.DATABASE_URL;
  if (given) return { url: given, stop: nothing, start: nothing, dispose: nothing };
  const bin = binaries();
  if (!bin) throw new Error('no PostgreSQL: set DATABASE_URL or install its binaries');
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-postgres-'));
  const user = ownUser();
  if (user.uid !== undefined && user.gid !== undefined) await chown(folder, user.uid, user.gid);
  const data = join(folder, 'data');
  const port = await freePort();
  const pgCtl = (...parameters: string[]) =>
    run(join(bin, 'pg_ctl'), ['-D', data, '-w', '-s', ...parameters], { cwd: folder, ...user });
  await run(join(bin, 'initdb'), ['-D', data, '-U', 'tenantry', '-A', 'trust', '-E', 'UTF8', '--no-sync'], {
    cwd: folder,
    ...user,
  });
  const options = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=300`;
  const start = async () => {
    await pgCtl('-l', join(folder, 'log'), '-o', options, 'start');
  };
  const stop = async (mode = 'fast') => {
    await pgCtl('-m', mode, 'stop');
  };
  await start();
  return {
    url: `postgres://tenantry@127.0.0.1:${port}/postgres`,
    start,
    stop,
    dispose: async () => {
      await stop('immediate').catch(() => undefined);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
