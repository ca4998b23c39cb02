// npm run bench:deletions: how long a deletion takes from its answer to the completed receipt, in four processes over
// the Kafka of KAFKA_BROKERS (and the PostgreSQL of DATABASE_URL, if it is set).
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { percentiles } from './figures.mjs';
import { clientOf, lanes } from './http.mjs';
import { newUser } from './people.mjs';
import { EQUIPMENT } from './scenarios.mjs';
import { start } from './servers.mjs';

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
  const client = clientOf({ url: service.url, key: keyIn(dataDir) });
  process.stderr.write(`preparing ${deletions} users … `);
  const users = [];
  await lanes(16, deletions, async (number) => {
    const { id } = await client.post('/v1/users', newUser(number));
    await client.post(`/v1/users/${id}/keys`, { name: 'bench' });
    for (const [what, body] of EQUIPMENT) await client.put(`/v1/users/${id}/${what}`, body);
    await client.put(`/v1/users/${id}/vault/secret`, { value: 'secret' });
    users.push(id);
  });
  process.stderr.write('deleting … ');
  const tookMs = [];
  await lanes(atOnce, deletions, async (number) => {
    const path = `/v1/users/${users[number]}`;
    await client.delete(path);
    const answeredAt = Date.now();
    for (;;) {
      const receipt = await client.get(`${path}/deletion`);
      if (receipt.status === 'completed') {
        tookMs.push(Math.max(0, Date.parse(receipt.completed_at) - answeredAt));
        return;
      }
      await delay(POLL_MS);
    }
  });
  client.close();
  process.stderr.write('\n');
  console.log(JSON.stringify({ deletions, at_once: atOnce, ...percentiles(tookMs) }));
}

function keyIn(folder) {
  try {
    return readFileSync(join(folder, 'tenant-users', 'platform-key'), 'utf8').trim();
  } catch {
    return readFileSync(join(folder, 'platform-key'), 'utf8').trim();
  }
}
