import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { TOPICS } from '#contracts';
import type { Service } from '#testing';
import { onOwnKafka } from '../../libs/testing/src/back-ends/on-back-end.js';
import { readTopic } from './kafka-topics.js';
import { createUser, type Deletion, expectStatus, inParallel, start } from './support.js';

const OUTAGE_MS = Number(process.env.TENANTRY_TEST_OUTAGE_MS ?? 15_000);
const GIVEN_UP_AFTER_MS = 90_000;
const CHANGES = 2;

/** Creates, changes and deletes users, four at a time, until it is told to stop. */
function load(service: Service) {
  const deleted: string[] = [];
  let loading = true;
  const ended = inParallel([0, 1, 2, 3], 4, async () => {
    while (loading) {
      const { id } = await createUser(service);
      for (let change = 1; change <= CHANGES; change++) {
        const body = { label: `change ${change}` };
        expectStatus(await service.request('PATCH', `/v1/users/${id}`, { body }), 200);
      }
      expectStatus(await service.request('DELETE', `/v1/users/${id}`), 202);
      deleted.push(id);
      await sleep(50);
    }
  });
  const stop = (): Promise<unknown> => {
    loading = false;
    return ended;
  };
  return { deleted, stop };
}

/** Resolves when all have their receipts; those that have none in time make it fail. */
async function untilCompleted(service: Service, userIds: readonly string[]): Promise<void> {
  const open = new Set(userIds);
  const deadline = Date.now() + GIVEN_UP_AFTER_MS;
  while (open.size > 0 && Date.now() < deadline) {
    await inParallel([...open], 4, async (id) => {
      const { body } = await service.request<Deletion>('GET', `/v1/users/${id}/deletion`);
      if (body.status === 'completed') open.delete(id);
    });
    await sleep(50);
  }
  expect([...open]).toEqual([]);
}

/** Revisions by user, in the order in which the topic holds them. */
async function revisionsIn(broker: string, topic: string): Promise<Map<string, number[]>> {
  const revisions = new Map<string, number[]>();
  for (const { key, data } of await readTopic(broker, topic)) {
    const { revision } = data as { revision?: number };
    if (revision === undefined) continue;
    const known = revisions.get(key);
    if (known) known.push(revision);
    else revisions.set(key, [revision]);
  }
  return revisions;
}

await onOwnKafka({ brokers: 1 }, ({ brokers, kill, restart }) => {
  describe('the service while its only broker is down', () => {
    it(
      'given users made, changed and deleted all along, then no command fails, nothing is lost and the order holds',
      async () => {
        const env = { KAFKA_BROKERS: brokers.join(), KAFKA_TOPIC_PARTITIONS: '4' };
        const service = await start({ env, startTimeoutMs: 60_000 });
        const { deleted, stop } = load(service);
        await sleep(2_000);
        await kill(0);
        const before = deleted.length;
        await sleep(OUTAGE_MS);
        const during = deleted.length - before;
        expect(during).toBeGreaterThan(0);
        expect((await service.request('GET', '/health/live', { key: null })).status).toBe(200);
        expect((await service.request('GET', '/health/ready', { key: null })).status).toBe(503);
        await restart(0);
        const returned = Date.now();
        await stop();
        await untilCompleted(service, deleted);
        const caughtUpMs = Date.now() - returned;
        process.stderr.write(
          `outage of ${OUTAGE_MS} ms: ${during} users made, changed and deleted meanwhile, ` +
            `${deleted.length} in all, caught up ${caughtUpMs} ms after the broker's return\n`,
        );
        const revisions = await revisionsIn(brokers.join(), TOPICS.lifecycle);
        for (const id of deleted) {
          // One that comes twice comes with all that follow it, so each new one is the next.
          const fresh = [...new Set(revisions.get(id))];
          expect([id, ...fresh]).toEqual([id, 0, ...Array.from({ length: CHANGES + 1 }, (_, n) => n + 1)]);
        }
      },
      OUTAGE_MS + 240_000,
    );
  });
});
