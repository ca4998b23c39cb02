// The scenario of deletions: each counts when its receipt says that it is completed.
import { setTimeout as delay } from 'node:timers/promises';
import { percentiles } from './figures.mjs';
import { clientOf, lanes } from './http.mjs';

const POLL_MS = 20;

/** Deletes all of the task's users, so many at a time. */
export async function receipts({ users, connections, ...server }) {
  const client = clientOf(server);
  const tookMs = [];
  const statuses = {};
  const ask = async (method, path) => {
    const answer = await client.attempt(method, path);
    statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
    if (answer.status >= 300) throw new Error(`${method} ${path} answered ${answer.status}`);
    return answer.body;
  };
  let failed = 0;
  const began = performance.now();
  await lanes(connections, users.length, async (number) => {
    const path = `/v1/users/${users[number].id}`;
    const sent = performance.now();
    try {
      let { status } = await ask('DELETE', path);
      while (status !== 'completed') {
        await delay(POLL_MS);
        ({ status } = await ask('GET', `${path}/deletion`));
      }
      tookMs.push(performance.now() - sent);
    } catch {
      failed += 1;
    }
  });
  client.close();
  const seconds = (performance.now() - began) / 1_000;
  return {
    requests_per_second: tookMs.length / seconds,
    ...percentiles(tookMs),
    requests: tookMs.length,
    failed,
    statuses,
  };
}
