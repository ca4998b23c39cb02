import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import {
  completedDeletion,
  createEquippedUser,
  inParallel,
  numbers,
  randomSeed,
  seededRandom,
  start,
  temporaryDataDir,
  verifyKey,
} from './support.js';

const ROUNDS = Number(process.env.TENANTRY_CASCADE_ROUNDS ?? 4);
const DELETIONS_A_ROUND = Number(process.env.TENANTRY_CASCADE_DELETIONS ?? 24);
const MAX_DELAY_MS = 30;

describe('kill -9 in the middle of the cascade', () => {
  const seed = randomSeed();

  it(
    `when the service starts again, then every deletion ends by itself (seed ${seed})`,
    async () => {
      const random = seededRandom(seed);
      const dataDir = temporaryDataDir();
      let endedAfterRestart = 0;
      let service = await start({ dataDir });
      for (let round = 0; round < ROUNDS; round++) {
        const users = await inParallel(numbers(DELETIONS_A_ROUND), 8, () => createEquippedUser(service));
        const deletes = users.map(({ id }) => service.request('DELETE', `/v1/users/${id}`));
        await Promise.race(deletes);
        await sleep(random() * MAX_DELAY_MS);
        const killedAt = new Date().toISOString();
        await service.kill();
        const answers = await Promise.allSettled(deletes);

        service = await start({ dataDir });
        for (const [index, { id, rawKey }] of users.entries()) {
          const answer = answers[index];
          const acknowledged = answer?.status === 'fulfilled' && answer.value.status === 202;
          const { status } = await service.request('GET', `/v1/users/${id}`);
          if (!acknowledged && status === 200) {
            // Not begun, so all is as it was.
            expect(await verifyKey(service, rawKey)).toMatchObject({ valid: true, user_id: id });
            continue;
          }
          expect(status).toBe(404);
          expect(await verifyKey(service, rawKey)).toMatchObject({ valid: false });
          const receipt = await completedDeletion(service, id);
          expect(receipt.participants.map(({ removed }) => removed)).toEqual(
            expect.arrayContaining([{ keys: 1 }, { budgets: 1 }, { secrets: 1 }]),
          );
          expect(receipt.personal_data_key_destroyed_at).not.toBeNull();
          if (String(receipt.completed_at) > killedAt) endedAfterRestart += 1;
        }
      }
      // Else the kills came too late to interrupt anything.
      expect(endedAfterRestart).toBeGreaterThan(0);
    },
    60_000 + ROUNDS * DELETIONS_A_ROUND * 500,
  );
});
