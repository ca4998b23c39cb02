import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventStoreSettings } from '#testing';
import type { Ledger } from './ledger.js';

const ALL_IN_ONE = 'dist/apps/all-in-one/src/main.js';

/** Starts the built service and kills it with SIGKILL after that time, whether it listens by then or not. */
export async function killAfterStart(dataDir: string, delayMs: number): Promise<string> {
  const log = eventStoreSettings(dataDir);
  const env = { PATH: process.env.PATH, PORT: '0', TENANTRY_DATA_DIR: dataDir, ...log };
  const child = spawn(process.execPath, [ALL_IN_ONE], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const closed = once(child, 'close') as Promise<[code: number | null, signal: string | null]>;
  await Promise.race([sleep(delayMs), closed]);
  child.kill('SIGKILL');
  const [code] = await closed;
  if (code !== null) throw new Error(`the service ended by itself with exit code ${code}:\n${stderr}`);
  return stderr;
}

/** The service had nothing to complain of until it was killed. */
export function expectNoErrors(stderr: string, ledger: Ledger): void {
  // The last line may be cut off.
  for (const line of stderr.split('\n').slice(0, -1)) {
    if (!/"level":"(error|fatal|warn)"/.test(line) && line.startsWith('{')) continue;
    ledger.fault(`the service said: ${line}`);
  }
}
