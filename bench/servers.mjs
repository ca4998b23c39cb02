// Starts and stops the servers that are measured, each in its own process.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 15_000;
const POLL_MS = 10;
const SERVICE = 'dist/apps/all-in-one/src/main.js';
const JSON_BODY = { 'content-type': 'application/json' };
/** As `npm start` has it. */
const HEAP = '--max-old-space-size=512';
const PROBED = ['--import', './bench/probe.mjs'];

export const startEcho = (folder) =>
  start({
    name: 'echo',
    folder,
    args: [...PROBED, 'bench/echo-server.mjs'],
    isReady: async (url) =>
      (await fetch(`${url}/echo`, { method: 'POST', headers: JSON_BODY, body: '{}' })).ok,
  });

/** The built service as `npm start` runs it, with its data in `folder`. `key` is its platform key. */
export async function startService(folder, { nodeOptions = [], timeoutMs } = {}) {
  if (!existsSync(SERVICE)) throw new Error(`${SERVICE} is missing: npm run build`);
  const dataDir = join(folder, 'data');
  const service = await start({
    name: 'service',
    folder,
    args: [...PROBED, HEAP, ...nodeOptions, SERVICE],
    env: { TENANTRY_DATA_DIR: dataDir },
    isReady: async (url) => (await fetch(`${url}/health/ready`)).ok,
    timeoutMs,
  });
  const secret = (name) => readFileSync(join(dataDir, name), 'utf8').trim();
  return { ...service, key: secret('platform-key'), rootKey: secret('root-key') };
}

/**
 * Resolves when it is ready: `readyMs` after it was started. `eventLoop` asks bench/probe.mjs, where that is preloaded.
 */
export async function start({ name, folder, args, env, isReady, timeoutMs = START_TIMEOUT_MS }) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const logFile = join(folder, `${name}.log`);
  const log = openSync(logFile, 'a');
  const began = performance.now();
  const child = spawn(process.execPath, args, {
    env: { ...process.env, HOST: '127.0.0.1', PORT: String(port), ...env },
    stdio: ['ignore', log, log, 'ipc'],
  });
  closeSync(log);
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const exited = once(child, 'exit').finally(() => process.off('exit', kill));
  const stop = async () => {
    child.kill('SIGTERM');
    const late = setTimeout(kill, STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(late);
  };
  const eventLoop = async () => {
    child.send('event loop');
    const [delays] = await once(child, 'message');
    return delays;
  };
  const deadline = began + timeoutMs;
  while (!(await isReady(url).catch(() => false))) {
    if (child.exitCode !== null || performance.now() > deadline) {
      await stop();
      throw new Error(`the ${name} did not start:\n${readFileSync(logFile, 'utf8').slice(-2_000)}`);
    }
    await delay(POLL_MS);
  }
  return { url, stop, eventLoop, pid: child.pid, readyMs: performance.now() - began };
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
