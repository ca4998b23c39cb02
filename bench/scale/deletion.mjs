// A tenant is deleted: from the request to the receipt of its last user.
import { setTimeout as delay } from 'node:timers/promises';
import { SingleBar } from 'cli-progress';
import { timed } from '../http.mjs';
import { fill } from '../prepare.mjs';
import { beginUsage } from '../usage.mjs';

const POLL_MS = 100;

export async function deletion(installation, { deleted }) {
  await installation.restart();
  const { client, service } = installation;
  const { id } = await client.post('/v1/tenants', { name: 'to be deleted' });
  await fill(service, { count: deleted, tenantId: id, title: 'a tenant to be deleted' });
  await installation.settle();
  const endUsage = await beginUsage(service);
  const began = performance.now();
  const answeredMs = await timed(() => client.delete(`/v1/tenants/${id}`));
  const receipt = await completed(client, id, deleted);
  const seconds = (performance.now() - began) / 1_000;
  const usage = await endUsage();
  return [
    {
      users: receipt.users_total,
      answered_ms: answeredMs,
      seconds,
      users_per_second: receipt.users_total / seconds,
      event_loop_p99_ms: usage.event_loop_p99_ms,
      event_loop_max_ms: usage.event_loop_max_ms,
      cpu_seconds: usage.cpu_seconds,
      resident_mib: usage.resident_mib,
    },
  ];
}

async function completed(client, id, total) {
  const bar = new SingleBar({ format: 'deletion [{bar}] {value}/{total}, {eta_formatted} left', fps: 2 });
  bar.start(total, 0);
  const ask = () => client.get(`/v1/tenants/${id}/deletion`);
  let receipt = await ask();
  while (receipt.status !== 'completed') {
    bar.update(receipt.users_completed);
    await delay(POLL_MS);
    receipt = await ask();
  }
  bar.stop();
  return receipt;
}
