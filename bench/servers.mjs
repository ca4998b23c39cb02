// Starts and stops the servers that are measured, each in its own process.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 10_000;
const SERVICE = 'dist/apps/all-in-one/src/main.js';

export const startEcho = (folder) =>
  start({
    name: 'echo',
    folder,
    args: ['bench/echo-server.mjs'],
    isReady: async (url) => (await post(`${url}/echo`, {})).ok,
  });

/** The built service as `npm start` runs it, with its data in `folder`. `key` is its platform key. */
export async function startService(folder, nodeOptions) {
  if (!existsSync(SERVICE)) throw new Error(`${SERVICE} is missing: npm run build`);
  const dataDir = join(folder, 'data');
  const service = await start({
    name: 'service',
    folder,
    args: [...nodeOptions, SERVICE],
    env: { TENANTRY_DATA_DIR: dataDir },
    isReady: async (url) => (await fetch(`${url}/health/ready`)).ok,
  });
  return { ...service, key: readFileSync(join(dataDir, 'platform-key'), 'utf8').trim() };
}

/** Sends JSON; rejects on anything but 2xx unless `key` is absent. */
export const post = (url, body, key) => send('POST', url, body, key);
export const put = (url, body, key) => send('PUT', url, body, key);

async function send(method, url, body, key) {
  const headers = { 'content-type': 'application/json', ...(key && { authorization: `Bearer ${key}` }) };
  const response = await fetch(url, { method, headers, body: JSON.stringify(body) });
  if (key && !response.ok)
    throw new Error(`${method} ${url} answered ${response.status}: ${await response.text()}`);
  return response;
}

/** Resolves when it is ready. */
export async function start({ name, folder, args, env, isReady, timeoutMs = START_TIMEOUT_MS }) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const logFile = join(folder, `${name}.log`);
  const log = openSync(logFile, 'a');
  const child = spawn(process.execPath, args, {
    env: { ...process.env, HOST: '127.0.0.1', PORT: String(port), ...env },
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  process.once('exit', () => child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  const stop = async () => {
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(late);
  };
  const deadline = Date.now() + timeoutMs;
  while (!(await isReady(url).catch(() => false))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await stop();
      throw new Error(`the ${name} did not start:\n${readFileSync(logFile, 'utf8').slice(-2_000)}`);
    }
    await delay(50);
  }
  return { url, stop };
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
