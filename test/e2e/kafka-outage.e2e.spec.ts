import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { onOwnKafka } from '../../libs/testing/src/back-ends/on-back-end.js';
import { createUser, type Deletion, expectStatus, inParallel, start } from './support.js';

const OUTAGE_MS = Number(process.env.TENANTRY_TEST_OUTAGE_MS ?? 15_000);
const CAUGHT_UP_WITHIN_MS = 30_000;

await onOwnKafka({ brokers: 1 }, ({ brokers, kill, restart }) => {
  describe('the service while its only broker is down', () => {
    it(
      'given users created and deleted all along, then no command fails and every deletion completes',
      async () => {
        const env = { KAFKA_BROKERS: brokers.join(), KAFKA_TOPIC_PARTITIONS: '4' };
        const service = await start({ env, startTimeoutMs: 60_000 });
        const deleted: string[] = [];
        let loading = true;
        const load = inParallel([0, 1, 2, 3], 4, async () => {
          while (loading) {
            const { id } = await createUser(service);
            expectStatus(await service.request('DELETE', `/v1/users/${id}`), 202);
            deleted.push(id);
            await sleep(50);
          }
        });
        await sleep(2_000);
        await kill(0);
        const before = deleted.length;
        await sleep(OUTAGE_MS);
        expect(deleted.length).toBeGreaterThan(before);
        expect((await service.request('GET', '/health/live', { key: null })).status).toBe(200);
        expect((await service.request('GET', '/health/ready', { key: null })).status).toBe(503);
        await restart(0);
        const returned = Date.now();
        loading = false;
        await load;
        const open = new Set(deleted);
        while (open.size > 0 && Date.now() - returned < 3 * CAUGHT_UP_WITHIN_MS) {
          await inParallel([...open], 4, async (id) => {
            const { body } = await service.request<Deletion>('GET', `/v1/users/${id}/deletion`);
            if (body.status === 'completed') open.delete(id);
          });
          await sleep(50);
        }
        expect([...open]).toEqual([]);
      },
      OUTAGE_MS + 240_000,
    );
  });
});
