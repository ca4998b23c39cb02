import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Consumer, Kafka, logLevel } from 'kafkajs';
import { MESSAGE_TYPES, TOPICS } from '#contracts';
import type { Service } from '#testing';
import { SeverableNetwork } from '../../libs/testing/src/severable-network.js';
import { readTopic, type TopicRecord } from '../e2e/kafka-topics.js';
import { createUser, expectStatus, inParallel, issueKey, seededRandom, type User } from '../e2e/support.js';

export const PARTITIONS = 3;

const MAX_REPEATED = 80;
const GROUPS: readonly (readonly [group: string, topic: string])[] = [
  ['keys', TOPICS.lifecycle],
  ['budgets', TOPICS.lifecycle],
  ['connections', TOPICS.lifecycle],
  ['tenant-users', TOPICS.cascade],
];

/** What somebody is given. */
export interface Equipment {
  keys: number;
  /** Every user has one from the start, which is opened by its message, a read or a change: what comes first. */
  budget: 'untouched' | 'read' | 'set';
  secrets: number;
  /** Whether the messages about them come twice; of the others a lost one would be missed. */
  repeated: boolean;
}

/** What the model knows of a user; only what was acknowledged. */
export interface Person extends Equipment {
  user: User;
  rawKeys: string[];
  deleted: boolean;
}

/** The order that a number stands for. */
export function shuffled<Item>(items: readonly Item[], order: number): Item[] {
  const random = seededRandom(order);
  const keyed = items.map((item) => [random(), item] as const);
  return keyed.sort(([one], [other]) => one - other).map(([, item]) => item);
}

export async function create(service: Service, equipment: Equipment): Promise<Person> {
  const user = await createUser(service);
  const path = `/v1/users/${user.id}`;
  const rawKeys: string[] = [];
  for (let key = 0; key < equipment.keys; key++) rawKeys.push((await issueKey(service, user.id)).raw_key);
  for (let secret = 0; secret < equipment.secrets; secret++) {
    const body = { value: `secret ${secret}` };
    expectStatus(await service.request('PUT', `${path}/vault/secret_${secret}`, { body }), 204);
  }
  const body = { limit_usd: '10.00', period: 'none' };
  if (equipment.budget === 'set') expectStatus(await service.request('PUT', `${path}/budget`, { body }), 200);
  if (equipment.budget === 'read') expectStatus(await service.request('GET', `${path}/budget`), 200);
  return { ...equipment, user, rawKeys, deleted: false };
}

/** Some of those who live, in the given order. */
function chosen(people: readonly Person[], share: number, order: number): Person[] {
  const living = people.filter(({ deleted }) => !deleted);
  return shuffled(living, order).slice(0, Math.ceil(living.length * share));
}

const requestDeletion = (service: Service, { user }: Person) =>
  service.request('DELETE', `/v1/users/${user.id}`);

/** Deletes a third of those who live. */
export async function deleteSome(service: Service, people: readonly Person[], order: number): Promise<void> {
  await inParallel(chosen(people, 1 / 3, order), 4, async (person) => {
    expectStatus(await requestDeletion(service, person), 202);
    person.deleted = true;
  });
}

/** Deletes half of those who live, and kills the service some time after the first answer. */
export async function killWhileDeleting(
  service: Service,
  people: readonly Person[],
  { order, delayMs }: { order: number; delayMs: number },
): Promise<Person[]> {
  const asked = chosen(people, 1 / 2, order);
  const requests = asked.map((person) => requestDeletion(service, person));
  const answers = Promise.allSettled(requests);
  await Promise.race(requests);
  await sleep(delayMs);
  await service.kill();
  const unanswered: Person[] = [];
  for (const [index, answer] of (await answers).entries()) {
    const person = asked[index];
    if (!person) continue;
    if (answer.status === 'fulfilled') person.deleted = expectStatus(answer.value, 202).status === 202;
    else unanswered.push(person);
  }
  return unanswered;
}

/** A deletion that was never answered was begun or not; which one is seen by now. */
export async function identify(service: Service, unanswered: readonly Person[]): Promise<void> {
  for (const person of unanswered) {
    person.deleted = (await service.request('GET', `/v1/users/${person.user.id}`)).status === 404;
  }
}

/** The brokers, and what is done to the messages and groups of one deployment there. */
export class Meddler {
  repeated = 0;
  /** Partitions that strangers were given in the service's groups. */
  taken = 0;
  private readonly kafka: Kafka;

  constructor(
    private readonly brokers: string,
    private readonly prefix: string,
    private readonly platformId: string,
  ) {
    this.kafka = this.client(new SeverableNetwork());
  }

  /** Delivers messages of before and each deletion again, some several times, in any order and any partition. */
  async repeat(people: readonly Person[], order: number): Promise<void> {
    const random = seededRandom(order);
    const producer = this.kafka.producer({ retry: { retries: 5 } });
    await producer.connect();
    for (const topic of [TOPICS.lifecycle, TOPICS.cascade]) {
      const ahead = topic === TOPICS.lifecycle ? people.flatMap((person) => this.deletionOf(person)) : [];
      const isRepeated = new Set(people.filter(({ repeated }) => repeated).map(({ user }) => user.id));
      const records = await readTopic(this.brokers, this.prefix + topic);
      const before = records.filter(({ key }) => isRepeated.has(key));
      const some = shuffled([...before, ...ahead, ...ahead], order).slice(0, MAX_REPEATED);
      const messages = some.map(({ key, headers, data }) => ({
        key,
        headers,
        value: JSON.stringify(data),
        partition: Math.floor(random() * PARTITIONS),
      }));
      if (messages.length > 0) await producer.send({ topic: this.prefix + topic, messages });
      this.repeated += messages.length;
    }
    await producer.disconnect();
  }

  /** Joins all groups, takes messages and does nothing with them, then leaves, or dies and is missed later. */
  async join(holdMs: number, dies: boolean, meanwhile: () => Promise<void>): Promise<void> {
    const network = new SeverableNetwork();
    const strangers = await Promise.all(GROUPS.map((group) => this.stranger(network, group)));
    await Promise.all([sleep(holdMs), meanwhile()]);
    if (dies) network.sever();
    await Promise.all(strangers.map((stranger) => stranger.disconnect().catch(() => undefined)));
  }

  private async stranger(
    network: SeverableNetwork,
    [group, topic]: readonly [string, string],
  ): Promise<Consumer> {
    const consumer = this.client(network).consumer({
      groupId: this.prefix + group,
      sessionTimeout: 6_000,
      maxWaitTimeInMs: 100,
      retry: { retries: 0, restartOnFailure: async () => false },
    });
    const joined = Promise.withResolvers<void>();
    consumer.on('consumer.group_join', ({ payload }) => {
      this.taken += Object.values(payload.memberAssignment).flat().length;
      joined.resolve();
    });
    consumer.on('consumer.crash', () => joined.resolve());
    await consumer.connect();
    await consumer.subscribe({ topics: [this.prefix + topic], fromBeginning: true });
    await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch: () => sleep(50) });
    await joined.promise;
    return consumer;
  }

  /** As the service itself would say it, perhaps before it does. */
  private deletionOf({ user, deleted, repeated }: Person): TopicRecord[] {
    if (!deleted || !repeated) return [];
    const ids = { platform_id: this.platformId, tenant_id: user.tenant_id, user_id: user.id };
    const headers = {
      ce_specversion: '1.0',
      ce_id: randomUUID(),
      ce_type: MESSAGE_TYPES.userDeleted,
      ce_source: '/tenantry/tenant-users',
      ce_subject: user.id,
      ce_time: new Date().toISOString(),
      ce_correlationid: randomUUID(),
      ce_causationid: randomUUID(),
    };
    return [{ key: user.id, headers, data: { ...ids, revision: 1 } }];
  }

  private client(network: SeverableNetwork): Kafka {
    const brokers = this.brokers.split(',');
    return new Kafka({ brokers, logLevel: logLevel.NOTHING, socketFactory: network.open });
  }
}
