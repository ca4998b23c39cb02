import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { TOPICS } from '#contracts';
import { newId } from '#kernel';
import type { Service } from '#testing';
import { onKafka } from '../../libs/testing/src/back-ends/on-back-end.js';
import { readTopic } from '../e2e/kafka-topics.js';
import { databaseUrl } from '../e2e/read-database.js';
import {
  completedDeletion,
  eventStoreSettings,
  eventually,
  expectStatus,
  inParallel,
  type Platform,
  randomSeed,
  start,
  temporaryDataDir,
  verifyKey,
} from '../e2e/support.js';
import {
  create,
  deleteSome,
  type Equipment,
  identify,
  killWhileDeleting,
  Meddler,
  PARTITIONS,
  type Person,
} from './cascade-world.js';

const HISTORIES = Number(process.env.TENANTRY_TEST_HISTORIES ?? 2);
/** Two where the log and the read models can be shared: EVENT_STORE_URL and DATABASE_URL name both. */
const PROCESSES = process.env.EVENT_STORE_URL && process.env.DATABASE_URL ? 2 : 1;
const HISTORY_TIMEOUT_MS = 120_000;
const MAX_KILL_DELAY_MS = 30;
const CAUGHT_UP_WITHIN_MS = 60_000;

type Step =
  | { kind: 'create'; people: Equipment[] }
  | { kind: 'delete'; order: number }
  | { kind: 'repeat'; order: number }
  | { kind: 'kill'; order: number; delayMs: number }
  | { kind: 'join'; order: number; holdMs: number; dies: boolean };

interface Health {
  consumers: { lag: number; deadLettered: number }[];
  projections: { lag: number }[];
}

const equipment: fc.Arbitrary<Equipment> = fc.record({
  keys: fc.integer({ min: 0, max: 3 }),
  budget: fc.constantFrom('untouched' as const, 'read' as const, 'set' as const),
  secrets: fc.integer({ min: 0, max: 2 }),
  repeated: fc.boolean(),
});
const creation = fc
  .array(equipment, { minLength: 6, maxLength: 16 })
  .map((people): Step => ({ kind: 'create', people }));
const of = (kind: 'delete' | 'repeat') => fc.nat().map((order): Step => ({ kind, order }));
const kill = fc
  .record({ order: fc.nat(), delayMs: fc.integer({ min: 0, max: MAX_KILL_DELAY_MS }) })
  .map((given): Step => ({ kind: 'kill', ...given }));
const rebalance = fc
  .record({ order: fc.nat(), holdMs: fc.integer({ min: 0, max: 1_500 }), dies: fc.boolean() })
  .map((joined): Step => ({ kind: 'join', ...joined }));
const calm = fc.array(fc.oneof(creation, of('delete'), of('repeat')), { minLength: 1, maxLength: 4 });

/** Each history has a kill and a rebalance in it, in either order. */
const history = fc
  .tuple(creation, calm, calm, calm, fc.shuffledSubarray([kill, rebalance], { minLength: 2 }))
  .chain(([first, before, between, after, [one = kill, other = rebalance]]) =>
    fc.tuple(one, other).map(([early, late]) => [first, ...before, early, ...between, late, ...after]),
  );

/** What makes a further process a replica of the one with the first data dir. */
function shared([first = '', ...others]: readonly string[]): Record<string, string> {
  const secret = (name: string) => readFileSync(join(first, name), 'utf8').trim();
  for (const dir of others) copyFileSync(join(first, 'platform-key'), join(dir, 'platform-key'));
  return {
    ...eventStoreSettings(first),
    DATABASE_URL: databaseUrl(first) ?? '',
    TENANTRY_MASTER_KEY: secret('master-key'),
    TENANTRY_ROOT_KEY: secret('root-key'),
  };
}

await onKafka(({ setting, origin }) => {
  const seed = randomSeed();
  const prefix = `${newId()}.`;
  const dataDirs = Array.from({ length: PROCESSES }, temporaryDataDir);
  const services: Service[] = [];
  let meddler: Meddler;

  async function open(index: number): Promise<Service> {
    const env = {
      KAFKA_BROKERS: setting,
      KAFKA_TOPIC_PREFIX: prefix,
      KAFKA_TOPIC_PARTITIONS: String(PARTITIONS),
      ...(index > 0 && shared(dataDirs)),
    };
    const service = await start({ dataDir: dataDirs[index] ?? '', env, startTimeoutMs: 60_000 });
    services[index] = service;
    return service;
  }

  async function firstStart(): Promise<void> {
    const opened = await open(0);
    const { body } = await opened.request<{ data: Platform[] }>('GET', '/v1/platforms', {
      key: opened.rootKey,
    });
    const platformId = body.data[0]?.id ?? '';
    const settings = { default_budget_usd: '5.00' };
    expectStatus(await opened.request('PATCH', `/v1/platforms/${platformId}`, { body: { settings } }), 200);
    meddler = new Meddler(setting, prefix, platformId);
    for (let index = 1; index < PROCESSES; index++) await open(index);
  }

  const running = (index = 0): Service => {
    const service = services[index % PROCESSES];
    if (!service) throw new Error('nothing was started');
    return service;
  };

  async function run(step: Step, people: Person[]): Promise<void> {
    if (services.length === 0) await firstStart();
    switch (step.kind) {
      case 'create':
        people.push(...(await inParallel(step.people, 4, (given) => create(running(people.length), given))));
        return;
      case 'delete':
        return deleteSome(running(step.order), people, step.order);
      case 'repeat':
        return meddler.repeat(people, step.order);
      case 'join':
        return meddler.join(step.holdMs, step.dies, () =>
          deleteSome(running(step.order), people, step.order),
        );
      case 'kill':
        return killAndMeddle(step, people);
    }
  }

  async function killAndMeddle(step: { order: number; delayMs: number }, people: Person[]): Promise<void> {
    const unanswered = await killWhileDeleting(running(step.order), people, step);
    await meddler.repeat(people, step.order);
    await identify(await open(step.order % PROCESSES), unanswered);
  }

  /** Everything that was sent has been handled. */
  async function untilSettled(): Promise<void> {
    const ask = () => running().request<Health>('GET', '/health/ready', { key: null });
    const isSettled = ({ status, body }: Awaited<ReturnType<typeof ask>>) =>
      status === 200 && [...body.consumers, ...body.projections].every(({ lag }) => lag === 0);
    const last = await eventually(ask, isSettled, CAUGHT_UP_WITHIN_MS);
    if (!isSettled(last)) throw new Error(`it does not come to rest: ${last.text}`);
  }

  describe(`users deleted while messages come twice, in any order, and consumers come and go, over ${origin}`, () => {
    it(
      `then all deletions complete, and the end is the model's (seed ${seed}, ${HISTORIES} histories)`,
      async () => {
        const everybody: Person[] = [];
        await fc.assert(
          fc.asyncProperty(history, async (steps) => {
            const people: Person[] = [];
            for (const step of steps) await run(step, people);
            await untilSettled();
            for (const person of people) await expectAsInModel(running(), person);
            everybody.push(...people);
          }),
          { seed, numRuns: HISTORIES, endOnFailure: true },
        );
        const letters = await readTopic(setting, prefix + TOPICS.deadLetter);
        expect(letters.map(({ headers }) => [headers.origin_group, headers.error_code])).toEqual([]);
        const deletions = everybody.filter(({ deleted }) => deleted).length;
        process.stderr.write(
          `cascade over Kafka in ${PROCESSES} process(es): ${HISTORIES} histories, ${everybody.length} users, ${deletions} deleted, ` +
            `${meddler.repeated} messages repeated, ${meddler.taken} partitions taken by strangers (seed ${seed})\n`,
        );
        const living = everybody.length - deletions;
        expect([living, deletions, meddler.repeated, meddler.taken].filter((count) => count === 0)).toEqual(
          [],
        );
      },
      60_000 + HISTORIES * HISTORY_TIMEOUT_MS,
    );
  });
});

async function expectAsInModel(service: Service, person: Person): Promise<void> {
  const path = `/v1/users/${person.user.id}`;
  const verified = await Promise.all(person.rawKeys.map((key) => verifyKey(service, key)));
  expect(verified).toEqual(person.rawKeys.map(() => expect.objectContaining({ valid: !person.deleted })));
  const answers = await Promise.all(
    [path, `${path}/budget`, `${path}/vault`, `${path}/keys`].map((url) => service.request('GET', url)),
  );
  expect(answers.map(({ status }) => status)).toEqual(Array(4).fill(person.deleted ? 404 : 200));
  if (person.deleted) return expectReceipt(service, person);
  const spend = { body: { amount_usd: '0.01' } };
  expectStatus(await service.request('POST', `${path}/budget/spend`, spend), 201);
  for (let secret = 0; secret < person.secrets; secret++) {
    const { body } = await service.request('GET', `${path}/vault/secret_${secret}`);
    expect(body).toMatchObject({ value: `secret ${secret}` });
  }
  expect((await service.request<{ total: number }>('GET', `${path}/keys`)).body.total).toBe(person.keys);
}

async function expectReceipt(service: Service, { user, keys, budget, secrets }: Person): Promise<void> {
  const { participants, personal_data_key_destroyed_at } = await completedDeletion(service, user.id);
  const removed = Object.fromEntries(participants.map((one) => [one.name, one.removed]));
  // One that nothing had opened when the deletion overtook the message of the creation was never there.
  const counts = budget === 'untouched' ? [0, 1] : [1];
  const possible = counts.map((budgets) => ({
    keys: { keys },
    budgets: { budgets },
    connections: { connections: 0 },
    vault: { secrets },
  }));
  expect(possible).toContainEqual(removed);
  expect(personal_data_key_destroyed_at).not.toBeNull();
}
