import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import type { Answer, Service } from '#testing';
import {
  createUser,
  expectProblem,
  expectStatus,
  inParallel,
  numbers,
  type Page,
  randomSeed,
  seededRandom,
  start,
  temporaryDataDir,
  verifyKey,
} from './support.js';

const ROUNDS = 4;
const OF_EACH_KIND = 6;
const MAX_DELAY_MS = 40;

interface Wanted {
  path: string;
  body: object;
  idempotencyKey: string;
  asRoot?: boolean;
}

const post = (service: Service, { path, body, idempotencyKey, asRoot }: Wanted) =>
  service.request<{ id: string; raw_key?: string; api_key?: { raw_key: string } }>('POST', path, {
    body,
    headers: { 'idempotency-key': idempotencyKey },
    ...(asRoot && { key: service.rootKey }),
  });

const total = async (service: Service, path: string, key = service.platformKey) =>
  expectStatus(await service.request<Page<object>>('GET', path, { key }), 200).body.total;

describe('Idempotency-Key over kill -9', () => {
  const seed = randomSeed();

  it(`when requests are repeated after the kill, then each has one effect and one answer (seed ${seed})`, async () => {
    const random = seededRandom(seed);
    const dataDir = temporaryDataDir();
    let service = await start({ dataDir });
    const { id: userId } = await createUser(service);
    const budget = { limit_usd: '1000.00', period: 'none' };
    expectStatus(await service.request('PUT', `/v1/users/${userId}/budget`, { body: budget }), 200);
    const kinds = [
      { path: '/v1/users', body: { label: 'Ada', metadata: { plan: 'pro' } } },
      { path: `/v1/users/${userId}/keys`, body: { name: 'Laptop' } },
      { path: `/v1/users/${userId}/budget/spend`, body: { amount_usd: '1.00' } },
      { path: '/v1/tenants', body: { name: 'Globex' } },
      { path: '/v1/platforms', body: { name: 'Initech' }, asRoot: true },
    ];
    const before = {
      users: await total(service, '/v1/users'),
      tenants: await total(service, '/v1/tenants'),
      platforms: await total(service, '/v1/platforms', service.rootKey),
    };
    let unanswered = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const wanted: Wanted[] = numbers(OF_EACH_KIND).flatMap(() =>
        kinds.map((kind) => ({ ...kind, idempotencyKey: randomUUID() })),
      );
      const first = Promise.allSettled(wanted.map((request) => post(service, request)));
      await sleep(random() * MAX_DELAY_MS);
      await service.kill();
      const answers = await first;
      service = await start({ dataDir });
      const repeated = await inParallel(wanted, 8, (request) => post(service, request));
      const again = await inParallel(wanted, 8, (request) => post(service, request));
      for (const [index, answer] of repeated.entries()) {
        expectStatus(answer, 201);
        expect(again[index]?.text).toBe(answer.text);
        const early = answers[index] as PromiseSettledResult<Answer<object>>;
        if (early.status === 'rejected') unanswered += 1;
        else expect(answer.text).toBe(early.value.text);
        const { raw_key: rawKey, api_key: platformKey } = answer.body;
        if (rawKey) expect(await verifyKey(service, rawKey)).toMatchObject({ valid: true });
        if (platformKey) expect(await total(service, '/v1/users', platformKey.raw_key)).toBe(1);
      }
    }
    const expected = ROUNDS * OF_EACH_KIND;
    expect(await total(service, '/v1/users')).toBe(before.users + expected);
    expect(await total(service, '/v1/tenants')).toBe(before.tenants + expected);
    expect(await total(service, '/v1/platforms', service.rootKey)).toBe(before.platforms + expected);
    expect(await total(service, `/v1/users/${userId}/keys`)).toBe(expected);
    const { body } = await service.request('GET', `/v1/users/${userId}/budget`);
    expect(body).toMatchObject({ spent_usd: `${expected}.00` });
    // Else the kills came too late to interrupt anything.
    expect(unanswered).toBeGreaterThan(0);
  });

  it('given 200 of one request at once over HTTP, then one effect and identical answers', async () => {
    const service = await start();
    const request = { path: '/v1/users', body: { label: 'Ada' }, idempotencyKey: randomUUID() };
    const answers = await Promise.all(numbers(200).map(() => post(service, request)));
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(await total(service, '/v1/users')).toBe(2);
    const other = await post(service, { ...request, body: { label: 'Bob' } });
    expectProblem(other, { status: 409, code: 'idempotency_conflict', field: 'Idempotency-Key' });
  });
});
