// npm run bench:event-store: creates over HTTP next to the bare client of EventStoreDB, on the server that
// EVENT_STORE_URL names, in one run. Bare: append one event and wait until the client's own subscription has seen it.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { EventStoreDBClient, jsonEvent, NO_STREAM, streamNameFilter } from '@eventstore/db-client';
import { runLoad } from './load-process.mjs';
import { newUser } from './people.mjs';
import { startService } from './servers.mjs';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '6' },
    'warm-up': { type: 'string', default: '2' },
    connections: { type: 'string', default: '64' },
  },
});
const [seconds, warmUpSeconds, connections] = [values.seconds, values['warm-up'], values.connections].map(
  Number,
);
const url = process.env.EVENT_STORE_URL;
const LONGEST_WAIT_MS = 10_000;

if (!url) {
  console.error('EVENT_STORE_URL: must name the server to measure on');
  process.exit(78);
}
const folder = mkdtempSync(join(tmpdir(), 'tenantry-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

try {
  // The bare client comes first and last, so that a machine whose speed drifts shows.
  const before = await bareClient();
  const creates = await createsOverHttp();
  const after = await bareClient();
  const ratio = (2 * creates.requests_per_second) / (before + after);
  const result = {
    node: process.version,
    cores: availableParallelism(),
    seconds,
    connections,
    bare_client_per_second: [before, after],
    creates_per_second: Math.round(creates.requests_per_second),
    creates_p99_ms: creates.p99_ms,
    failed: creates.failed,
    ratio: Number(ratio.toFixed(3)),
  };
  console.log(JSON.stringify(result, undefined, 2));
  process.exit(creates.failed > 0 ? 1 : 0);
} catch (error) {
  console.error(`FAILED: ${error.message}`);
  process.exit(1);
}

/** Appends of one event of about 450 bytes each, seen by the client's own subscription, a second. */
async function bareClient() {
  const client = EventStoreDBClient.connectionString(url.replace(/^kurrent(db)?/, 'esdb'));
  const category = `bench${randomUUID().replaceAll('-', '')}`;
  const waiting = new Map();
  const filter = streamNameFilter({ prefixes: [`${category}-`] });
  const subscription = client.subscribeToAll({ fromPosition: 'end', filter });
  subscription.on('data', ({ event }) => waiting.get(event?.id)?.());
  subscription.on('error', () => undefined);
  await once(subscription, 'confirmation');
  const data = { ...newUser(0), sealed: 'x'.repeat(250) };
  const one = async () => {
    const event = jsonEvent({ type: 'bench.appended.v1', data });
    const seen = new Promise((resolve) => waiting.set(event.id, resolve));
    await client.appendToStream(`${category}-${event.id}`, event, { expectedRevision: NO_STREAM });
    await seen;
    waiting.delete(event.id);
  };
  await during(warmUpSeconds, one);
  const done = await during(seconds, one);
  await subscription.unsubscribe();
  await client.dispose();
  return Math.round(done / seconds);
}

/** How often the work was done in that time, so many at once. */
async function during(duration, work) {
  const end = performance.now() + duration * 1_000;
  let done = 0;
  const lane = async () => {
    while (performance.now() < end) {
      await work();
      done += 1;
    }
  };
  const late = setTimeout(() => fail('an appended event was never seen'), duration * 1_000 + LONGEST_WAIT_MS);
  await Promise.all(Array.from({ length: connections }, lane));
  clearTimeout(late);
  return done;
}

function fail(reason) {
  console.error(`FAILED: ${reason}`);
  process.exit(1);
}

/** The service's creates, on the same server under a prefix of their own, with the load in another process. */
async function createsOverHttp() {
  process.env.TENANTRY_STREAM_PREFIX = `bench_${randomUUID().slice(0, 8)}_`;
  const service = await startService(folder);
  try {
    return await runLoad(service, { scenario: 'create', seconds, warmUpSeconds, connections });
  } finally {
    await service.stop();
  }
}
