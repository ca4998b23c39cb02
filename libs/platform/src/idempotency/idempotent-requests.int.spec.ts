import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Aggregates } from '#event-store';
import { repeatableRequest, systemClock, unavailable } from '#kernel';
import type { SubjectKeyStore } from '#privacy';
import { InMemoryEventStore, openEmbeddedReads, plainCodec, tally, testContext } from '#testing';
import { AppLogger } from '../operations/logger.js';
import { IdempotentRequests } from './idempotent-requests.js';

const HOUR_MS = 3_600_000;
/** Of the process that took the request; the one that did its work has the right time. */
const ahead = { now: () => new Date(Date.now() + HOUR_MS) };
const folder = mkdtempSync(join(tmpdir(), 'tenantry-requests-'));
const log = new InMemoryEventStore();
const aggregates = new Aggregates(log, plainCodec, systemClock);
const asked = { owner: ['tenant'], key: 'key', asked: ['POST', '/v1/tallies'], subjectId: null };
let database: Awaited<ReturnType<typeof openEmbeddedReads>>;
let requests: IdempotentRequests;

beforeAll(async () => {
  database = await openEmbeddedReads(folder);
  const keys = { secret: async () => new Uint8Array(32) } as Partial<SubjectKeyStore> as SubjectKeyStore;
  requests = new IdempotentRequests(database, keys, log, ahead, new AppLogger({ logLevel: 'silent' }));
  await requests.onModuleInit();
});
afterAll(async () => {
  requests.onModuleDestroy();
  await database.close();
  rmSync(folder, { recursive: true, force: true });
});

const count = (by: number, causationId: string, times = 1) =>
  aggregates.execute(tally, '1', { name: 'a', by, times }, { context: { ...testContext, causationId } });

it('given a request that was cut short and more than 256 others since, when it is repeated, then it did its work', async () => {
  const work = async () => {
    const { state } = await count(1_000, repeatableRequest()?.id ?? '');
    return { status: 201, headers: {}, body: { total: state.total } };
  };
  for (let other = 0; other < 20; other++) await count(1, `before-${other}`, 100);
  await expect(
    requests.run(asked, async () => {
      await work();
      throw unavailable('cut short');
    }),
  ).rejects.toThrow('cut short');
  for (let other = 0; other < 300; other++) await count(1, `since-${other}`);
  expect(await requests.run(asked, work)).toMatchObject({ body: { total: 3_000 }, again: false });
  const { state } = await aggregates.load(tally, '1');
  expect(state.total).toBe(3_300);
});

it('given the same request under two keys, then nothing in their records is the same', async () => {
  const answer = { status: 201, headers: {}, body: {} };
  for (const key of ['one', 'other']) await requests.run({ ...asked, key }, async () => answer);
  const table = database.reader<{ idempotent_requests: { fingerprint: string } }>();
  const rows = await table.selectFrom('idempotent_requests').select('fingerprint').distinct().execute();
  expect(rows).toHaveLength(3);
});
