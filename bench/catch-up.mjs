// npm run bench:catch-up: how fast, and in how much memory, a service that has lost its read models catches up with a
// long log, its relay too. DATABASE_URL has the read models in PostgreSQL, in a schema that must be fresh.
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { ON_SQLITE_LOG, writeLongHistory } from '../dist/libs/testing/src/long-history.js';
import { startService } from '../dist/libs/testing/src/service-process.js';
import { residentMiB } from './usage.mjs';

const SAMPLE_MS = 100;

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '500000' },
    users: { type: 'string', default: '1000' },
    bytes: { type: 'string', default: '300' },
  },
});
const history = {
  events: Number(values.events),
  users: Number(values.users),
  eventBytes: Number(values.bytes),
};
const dataDir = mkdtempSync(join(tmpdir(), 'tenantry-bench-'));
process.once('exit', () => rmSync(dataDir, { recursive: true, force: true }));

await writeLongHistory(dataDir, history);
const { NODE_OPTIONS, DATABASE_URL } = process.env;
const env = {
  ...ON_SQLITE_LOG,
  ...(NODE_OPTIONS && { NODE_OPTIONS }),
  ...(DATABASE_URL && { DATABASE_URL }),
};
const idle = await idleMiB();
process.stderr.write(`a log of ${history.events} events; a service without one takes ${idle} MiB\n`);

const began = performance.now();
const service = await startService({ dataDir, env });
const caughtUpAt = {};
const samples = [];
for (let left = Infinity; left > 0; await delay(SAMPLE_MS)) {
  samples.push(residentMiB(service.pid));
  const { projections } = await (await fetch(`${service.url}/health/ready`)).json();
  for (const { name, lag } of projections) if (lag === 0) caughtUpAt[name] ??= performance.now() - began;
  left = projections.filter(({ lag }) => lag > 0).length;
}
const seconds = (performance.now() - began) / 1_000;
const peak = residentMiB(service.pid, 'VmHWM');
await service.stop();
console.log(
  JSON.stringify({
    ...history,
    seconds: Math.round(seconds),
    events_per_second: Math.round(history.events / seconds),
    idle_mib: idle,
    peak_mib: peak,
    sampled_mib: Array.from({ length: 10 }, (_, tenth) => samples[Math.floor((samples.length * tenth) / 10)]),
    caught_up_after_seconds: Object.fromEntries(
      Object.entries(caughtUpAt).map(([name, ms]) => [name, Math.round(ms / 1_000)]),
    ),
    node: process.version,
    cores: availableParallelism(),
    load: loadavg(),
  }),
);

async function idleMiB() {
  const folder = mkdtempSync(join(tmpdir(), 'tenantry-bench-'));
  const empty = await startService({ dataDir: folder });
  await delay(1_000);
  const used = residentMiB(empty.pid, 'VmHWM');
  await empty.stop();
  rmSync(folder, { recursive: true, force: true });
  return used;
}
