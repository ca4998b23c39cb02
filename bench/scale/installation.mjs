// A data dir with its users, kept from one run to the next where it was named, and the service that runs on it.
import { existsSync, globSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { clientOf } from '../http.mjs';
import { startEcho, startService } from '../servers.mjs';
import { cpuSeconds } from '../usage.mjs';

const START_TIMEOUT_MS = 300_000;
/** Longer than the intervals of what a service does by itself. */
const QUIET_WINDOW_MS = 5_000;
/** Of one core: a service that nobody asks anything does its regular errands below this. */
const QUIET_CPU = 0.05;

export class Installation {
  /** What later runs must know: the tenants' ids, the users with long streams, the figures of the fill. */
  state = {};
  service;

  constructor(folder) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
    this.stateFile = join(folder, 'bench-scale.json');
    if (existsSync(this.stateFile)) this.state = JSON.parse(readFileSync(this.stateFile, 'utf8'));
  }

  remember(what) {
    Object.assign(this.state, what);
    writeFileSync(this.stateFile, JSON.stringify(this.state));
  }

  /** Starts the service anew, and answers after how many milliseconds it was ready. */
  async restart() {
    await this.stop();
    this.service = await startService(this.folder, { timeoutMs: START_TIMEOUT_MS });
    this.client = this.clientOf();
    return this.service.readyMs;
  }

  async stop() {
    this.client?.close();
    await this.service?.stop();
    this.service = undefined;
  }

  clientOf(tenantId) {
    return clientOf({ ...this.service, tenantId });
  }

  /** As the operator. */
  rootClient() {
    return clientOf({ ...this.service, key: this.service.rootKey });
  }

  startEcho() {
    return startEcho(this.folder);
  }

  /** Waits until the service has done what it does by itself after a start; answers how many seconds that took. */
  async settle(timeoutMs = 300_000) {
    const began = performance.now();
    const { pid } = this.service;
    for (let before = cpuSeconds(pid); performance.now() - began < timeoutMs; ) {
      await delay(QUIET_WINDOW_MS);
      const now = cpuSeconds(pid);
      if ((now - before) * 1_000 < QUIET_CPU * QUIET_WINDOW_MS) break;
      before = now;
    }
    return (performance.now() - began) / 1_000;
  }

  /** The files of the data dir with their sizes. */
  files() {
    const dataDir = join(this.folder, 'data');
    return globSync('**/*', { cwd: dataDir })
      .map((name) => ({ name, stat: statSync(join(dataDir, name)) }))
      .filter(({ stat }) => stat.isFile())
      .map(({ name, stat }) => ({ name, bytes: stat.size }));
  }
}
