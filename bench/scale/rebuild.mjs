// A rebuild of the users' list from the log, and how creates fare meanwhile.
import { setTimeout as delay } from 'node:timers/promises';
import { SingleBar } from 'cli-progress';
import { percentiles } from '../figures.mjs';
import { beginUsage } from '../usage.mjs';
import { besideCreates } from './steady.mjs';

const POLL_MS = 200;
const PATH = '/v1/projections/user-directory/rebuild';

export async function rebuild(installation, { seconds, creates }) {
  await installation.restart();
  await installation.settle();
  const { client, service } = installation;
  const before = await besideCreates(client, creates, () => delay(seconds * 1_000));
  const endUsage = await beginUsage(service);
  const root = installation.rootClient();
  const { outcome, tookMs } = await besideCreates(client, creates, () => rebuilt(root));
  const usage = await endUsage();
  root.close();
  return [
    {
      ...outcome,
      event_loop_p99_ms: usage.event_loop_p99_ms,
      event_loop_max_ms: usage.event_loop_max_ms,
      cpu_seconds: usage.cpu_seconds,
      resident_mib: usage.resident_mib,
      creates_p99_ms: percentiles(tookMs).p99_ms,
      creates_p99_ms_before: percentiles(before.tookMs).p99_ms,
    },
  ];
}

async function rebuilt(root) {
  const bar = new SingleBar({ format: 'rebuild [{bar}] {value}/{total}, {eta_formatted} left', fps: 2 });
  const began = performance.now();
  let job = await root.post(PATH, {});
  bar.start(job.events_total, 0);
  while (job.state === 'running') {
    await delay(POLL_MS);
    job = await root.get(PATH);
    bar.setTotal(job.events_total);
    bar.update(job.events_done);
  }
  bar.stop();
  if (job.state !== 'completed') throw new Error(`the rebuild is ${job.state}: ${job.error}`);
  const seconds = (performance.now() - began) / 1_000;
  return {
    events: job.events_done,
    seconds,
    events_per_second: job.events_done / seconds,
    events_per_second_told: job.events_per_second,
  };
}
