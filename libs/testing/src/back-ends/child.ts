import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { promisify } from 'node:util';

/** A back end can't be had on this machine; the message says why. */
export class BackEndMissing extends Error {
  override readonly name = 'BackEndMissing';
}

export interface Child {
  /** Of the program itself. */
  readonly pid: number;
  readonly running: boolean;
  /** Resolves when the program has ended, by whatever cause. */
  readonly exited: Promise<unknown>;
  /** The last of what it wrote. */
  output(): string;
  end(signal: NodeJS.Signals): Promise<void>;
}

/**
 * Runs a program and ends it when this side of its standard input closes, so that it never outlives the process
 * that started it, however that one ends.
 */
const WATCHED = `"$@" </dev/null & program=$!
echo "$program"
exec 3<&0
(cat <&3 >/dev/null; kill -9 "$program" 2>/dev/null) &
wait "$program"`;

const KEPT_CHARACTERS = 20_000;

export async function startChild(
  command: readonly string[],
  options: { uid?: number | undefined; gid?: number | undefined; env?: NodeJS.ProcessEnv } = {},
): Promise<Child> {
  const child = spawn('sh', ['-c', WATCHED, 'sh', ...command], {
    ...options,
    stdio: 'pipe',
    // A Ctrl-C at the terminal reaches this process alone, which then stops its children in order.
    detached: true,
  });
  const exited = once(child, 'exit');
  let [text, running] = ['', true];
  void exited.then(() => {
    running = false;
  });
  const firstLine = Promise.withResolvers<string>();
  child.stdin.on('error', () => undefined);
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    firstLine.resolve(chunk);
    text = (text + chunk).slice(-KEPT_CHARACTERS);
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-KEPT_CHARACTERS);
  });
  const pid = Number.parseInt(await firstLine.promise, 10);
  return {
    pid,
    exited,
    get running() {
      return running;
    },
    output: () => text,
    end: async (signal) => {
      if (running) process.kill(pid, signal);
      await exited;
    },
  };
}

/** Runs a program to its end and answers its standard output; throws with its error output. */
export async function runProgram(
  command: readonly [string, ...string[]],
  options: { uid?: number | undefined; gid?: number | undefined; timeout?: number } = {},
): Promise<string> {
  const [program, ...args] = command;
  const { stdout } = await promisify(execFile)(program, args, { ...options, maxBuffer: 64 * 1024 * 1024 });
  return stdout;
}

export const hasProgram = (program: string): Promise<boolean> =>
  runProgram(['sh', '-c', 'command -v "$0"', program]).then(
    () => true,
    () => false,
  );

/** Ports that nothing listens on just now, each a different one. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
