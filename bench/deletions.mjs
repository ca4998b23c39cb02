// npm run bench:deletions: how long a deletion takes from its answer to the completed receipt, in four processes over
// the Kafka of KAFKA_BROKERS (and the PostgreSQL of DATABASE_URL, if it is set).
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { EQUIPMENT, newUser } from './scenarios.mjs';
import { post, put, start } from './servers.mjs';

const POLL_MS = 10;

const { values } = parseArgs({
  options: {
    deletions: { type: 'string', default: '1000' },
    'at-once': { type: 'string', default: '4' },
    program: { type: 'string', default: 'dist/apps/split/src/main.js' },
  },
});
const [deletions, atOnce] = [Number(values.deletions), Number(values['at-once'])];
const folder = mkdtempSync(join(tmpdir(), 'tenantry-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

const dataDir = join(folder, 'data');
const service = await start({
  name: 'service',
  folder,
  args: [values.program],
  env: {
    TENANTRY_DATA_DIR: dataDir,
    KAFKA_TOPIC_PREFIX: `bench${process.pid}.`,
    KAFKA_TOPIC_PARTITIONS: '4',
  },
  isReady: async (url) => (await fetch(`${url}/health/ready`)).ok,
  timeoutMs: 90_000,
});
try {
  await measure();
} finally {
  await service.stop();
}

async function measure() {
  const { url } = service;
  const key = keyIn(dataDir);
  const headers = { authorization: `Bearer ${key}` };
  process.stderr.write(`preparing ${deletions} users … `);
  const users = [];
  await lanes(16, deletions, async (number) => {
    const { id } = await (await post(`${url}/v1/users`, newUser(number), key)).json();
    await post(`${url}/v1/users/${id}/keys`, { name: 'bench' }, key);
    for (const [what, body] of EQUIPMENT) await put(`${url}/v1/users/${id}/${what}`, body, key);
    await put(`${url}/v1/users/${id}/vault/secret`, { value: 'secret' }, key);
    users.push(id);
  });
  process.stderr.write('deleting … ');
  const tookMs = [];
  await lanes(atOnce, deletions, async (number) => {
    const path = `${url}/v1/users/${users[number]}`;
    const answer = await fetch(path, { method: 'DELETE', headers });
    const answeredAt = Date.now();
    if (answer.status !== 202) throw new Error(`DELETE answered ${answer.status}`);
    for (;;) {
      const receipt = await (await fetch(`${path}/deletion`, { headers })).json();
      if (receipt.status === 'completed') {
        tookMs.push(Math.max(0, Date.parse(receipt.completed_at) - answeredAt));
        return;
      }
      await delay(POLL_MS);
    }
  });
  tookMs.sort((one, other) => one - other);
  const at = (share) => tookMs[Math.min(tookMs.length - 1, Math.ceil(share * tookMs.length) - 1)];
  const figures = { deletions, at_once: atOnce, p50_ms: at(0.5), p99_ms: at(0.99), max_ms: at(1) };
  process.stderr.write('\n');
  console.log(JSON.stringify(figures));
}

function keyIn(folder) {
  try {
    return readFileSync(join(folder, 'tenant-users', 'platform-key'), 'utf8').trim();
  } catch {
    return readFileSync(join(folder, 'platform-key'), 'utf8').trim();
  }
}

/** Runs the work for each number below `count`, so many at a time. */
async function lanes(width, count, work) {
  let next = 0;
  const lane = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: width }, lane));
}
