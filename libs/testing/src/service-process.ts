import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ServiceOptions {
  /** Made anew under the system's temporary folder when left out; nothing here ever removes it. */
  dataDir?: string;
  /** Settings of the service. Of this process's own environment nothing but PATH and KAFKA_BROKERS is handed on. */
  env?: Record<string, string>;
  /** The built program, from the repository's root. */
  program?: string;
  /** The command that runs the program's own, which comes after it. */
  launcher?: readonly string[];
  startTimeoutMs?: number;
}

export interface RequestOptions {
  /** A string or bytes go out as they are, anything else as JSON. */
  body?: unknown;
  headers?: Record<string, string>;
  /** The caller's key: the first platform's when left out, none when null. */
  key?: string | null;
}

export interface Answer<Body> {
  status: number;
  headers: Headers;
  /** The parsed JSON; undefined when the answer is not JSON. */
  body: Body;
  text: string;
}

/** The service, listening, in a process of its own. */
export interface Service {
  readonly url: string;
  readonly pid: number;
  readonly dataDir: string;
  readonly platformKey: string;
  readonly rootKey: string;
  /** Resolves when the process has ended, by whatever cause. */
  readonly exited: Promise<ServiceExit>;
  /** Rejects with fetch's TypeError when no answer comes. */
  request<Body = Record<string, unknown>>(
    method: string,
    path: string,
    options?: RequestOptions,
  ): Promise<Answer<Body>>;
  /** SIGTERM; answers how the process ended. */
  stop(): Promise<ServiceExit>;
  /** SIGKILL: nothing can be finished or flushed. Resolves when the process is gone. */
  kill(): Promise<ServiceExit>;
  /** Everything written so far to stdout, then everything written to stderr. */
  logs(): string;
}

export interface ServiceExit {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** The process ended, or had to be ended, before it listened. */
export class ServiceNotStarted extends Error {
  override readonly name = 'ServiceNotStarted';
  constructor(
    reason: string,
    readonly exit: ServiceExit,
  ) {
    super(
      `the service ${reason} (${exit.signal ?? `exit code ${exit.code}`}):\n${exit.stdout}${exit.stderr}`,
    );
  }
}

/** The four services, each in a process of its own. */
export const SPLIT = 'dist/apps/split/src/main.js';
/** All in one, unless the tests are to run against the four services in processes of their own. */
export const isSplit = process.env.TENANTRY_TEST_DEPLOYMENT === 'split';
const PROGRAM = isSplit ? SPLIT : 'dist/apps/all-in-one/src/main.js';

/** The part of a data dir that the tenant-users service has. */
export const tenantUsersDir = (dataDir: string, program = PROGRAM): string =>
  program === SPLIT ? join(dataDir, 'tenant-users') : dataDir;

const LISTENS = /^Tenantry listens on (http:\S+)\n/m;

/**
 * The log that services of tests run on: the server that this process's EVENT_STORE_URL names, with a name space of
 * its own for each data dir, so that a fresh one finds nothing there; without it, the file in the data dir.
 */
export function eventStoreSettings(dataDir: string): Record<string, string> {
  const url = process.env.EVENT_STORE_URL;
  const name = createHash('sha256').update(resolve(dataDir)).digest('hex').slice(0, 12);
  return url ? { EVENT_STORE_URL: url, TENANTRY_STREAM_PREFIX: `e2e_${name}_` } : {};
}

export const freshDataDir = (): string => mkdtempSync(join(tmpdir(), 'tenantry-'));

/** Starts the built service on a free port and waits until it listens. Throws ServiceNotStarted. */
export async function startService(options: ServiceOptions = {}): Promise<Service> {
  const {
    dataDir = freshDataDir(),
    env = {},
    program = PROGRAM,
    launcher = [],
    startTimeoutMs = program === SPLIT ? 90_000 : 30_000,
  } = options;
  if (!existsSync(program)) throw new Error(`${program} is missing: run npm run build first`);
  const command = [...launcher, process.execPath, '--disable-warning=TimeoutNegativeWarning', program];
  const child = spawn(String(command[0]), command.slice(1), {
    env: {
      PATH: process.env.PATH,
      HOST: '127.0.0.1',
      PORT: '0',
      TENANTRY_DATA_DIR: dataDir,
      // A start spends a sixth of its time on compiling.
      NODE_COMPILE_CACHE: join(tmpdir(), 'tenantry-compile-cache'),
      ...eventStoreSettings(dataDir),
      ...kafkaOf(dataDir),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  const exited = once(child, 'close').then(([code, signal]): ServiceExit => ({ code, signal, ...output }));
  const url = await listening(child, { output, exited, startTimeoutMs });
  const secret = (name: string): string => readFileSync(name, 'utf8').trim();
  const platformKey = secret(join(tenantUsersDir(dataDir, program), 'platform-key'));
  const end = (signal: NodeJS.Signals): Promise<ServiceExit> => {
    // What it started does not get to notice that it is gone.
    if (signal === 'SIGKILL') for (const pid of childrenOf(child)) process.kill(pid, signal);
    child.kill(signal);
    return exited;
  };
  return {
    url,
    pid: child.pid ?? 0,
    dataDir,
    platformKey,
    rootKey: env.TENANTRY_ROOT_KEY ?? secret(join(dataDir, 'root-key')),
    exited,
    request: (method, path, request = {}) => send(`${url}${path}`, method, { key: platformKey, ...request }),
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    logs: () => output.stdout + output.stderr,
  };
}

/** Of the supervisor of several processes; as Linux has it in /proc. */
function childrenOf({ pid, exitCode, signalCode }: ChildProcess): number[] {
  if (pid === undefined || exitCode !== null || signalCode !== null) return [];
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}

/** The test's own Kafka, if it has one, under names that belong to the data dir alone. */
function kafkaOf(dataDir: string): NodeJS.ProcessEnv {
  const { KAFKA_BROKERS } = process.env;
  if (!KAFKA_BROKERS) return {};
  const digest = createHash('sha256').update(resolve(dataDir)).digest('hex');
  return { KAFKA_BROKERS, KAFKA_TOPIC_PREFIX: `${digest.slice(0, 12)}.`, KAFKA_TOPIC_PARTITIONS: '3' };
}

/** Collects what the process says; resolves with the address that it names. */
async function listening(
  child: ChildProcess,
  started: {
    output: { stdout: string; stderr: string };
    exited: Promise<ServiceExit>;
    startTimeoutMs: number;
  },
): Promise<string> {
  const { output, exited, startTimeoutMs } = started;
  const { promise: listens, resolve } = Promise.withResolvers<string>();
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
    const url = LISTENS.exec(output.stdout)?.[1];
    if (url) resolve(url);
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  const waiting = new AbortController();
  const late = sleep(startTimeoutMs, 'late' as const, { signal: waiting.signal });
  try {
    const outcome = await Promise.race([listens, exited, late]);
    if (outcome === 'late') {
      child.kill('SIGKILL');
      throw new ServiceNotStarted(`did not listen within ${startTimeoutMs} ms`, await exited);
    }
    if (typeof outcome !== 'string') throw new ServiceNotStarted('ended before it listened', outcome);
    return outcome;
  } finally {
    late.catch(() => undefined);
    waiting.abort();
  }
}

async function send<Body>(url: string, method: string, request: RequestOptions): Promise<Answer<Body>> {
  const { body, headers, key } = request;
  const raw = typeof body === 'string' || body instanceof Uint8Array;
  const response = await fetch(url, {
    method,
    headers: {
      ...(key && { authorization: `Bearer ${key}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && {
      body: raw ? (body as string | Uint8Array<ArrayBuffer>) : JSON.stringify(body),
    }),
  });
  const text = await response.text();
  const isJson = /json/.test(response.headers.get('content-type') ?? '');
  return {
    status: response.status,
    headers: response.headers,
    body: (isJson && text ? JSON.parse(text) : undefined) as Body,
    text,
  };
}
