import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type AclEntry,
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  type Admin,
  Kafka,
  logLevel,
  ResourcePatternTypes,
} from 'kafkajs';
import { TOPICS } from '#contracts';
import type { Service } from '#testing';
import { onOwnKafka } from '../../libs/testing/src/back-ends/on-back-end.js';
import {
  completedDeletion,
  createUser,
  eventually,
  expectStatus,
  ServiceNotStarted,
  start,
} from './support.js';

const EX_CONFIG = 78;

const { READ, WRITE, CREATE } = AclOperationTypes;
const { TOPIC, GROUP } = AclResourceTypes;
const { lifecycle, cascade, deadLetter } = TOPICS;

interface Right {
  resourceType: AclResourceTypes;
  name: string;
  operation: AclOperationTypes;
}

const onTopic = (name: string, operation: AclOperationTypes): Right => ({
  resourceType: TOPIC,
  name,
  operation,
});
const reading = (group: string): Right => ({ resourceType: GROUP, name: group, operation: READ });

/** Everything that the service needs. */
const ALL: Right[] = [
  ...[lifecycle, cascade, deadLetter].map((name) => onTopic(name, WRITE)),
  onTopic(lifecycle, READ),
  onTopic(cascade, READ),
  ...['keys', 'budgets', 'connections', 'tenant-users'].map(reading),
];

const REFUSED_AT_START = [
  { missing: onTopic(lifecycle, WRITE), given: 'no right to write lifecycle messages', naming: lifecycle },
  { missing: onTopic(cascade, WRITE), given: 'no right to write confirmations', naming: cascade },
  { missing: onTopic(deadLetter, WRITE), given: 'no right to even see dead letters', naming: deadLetter },
];

const ready = (service: Service) =>
  service.request<{ parts: { name: string; status: string }[] }>('GET', '/health/ready', { key: null });

const untilReady = (service: Service) =>
  eventually(
    () => ready(service),
    ({ status }) => status === 200,
  );

/** The log has one line of it, and readiness tells the truth. */
async function expectRefused(service: Service, what: string): Promise<void> {
  const line = `"KAFKA_SASL_USERNAME: this user may not ${what}`;
  const lines = async () => service.logs().split(line).length - 1;
  expect(await eventually(lines, (count) => count > 0, 30_000)).toBe(1);
  const { status, body } = await ready(service);
  expect([status, body.parts]).toEqual([
    503,
    expect.arrayContaining([{ name: 'message_bus', status: 'down' }]),
  ]);
  expect(await lines()).toBe(1);
}

const isSame = (one: Right) => (other: Right) =>
  one.name === other.name && one.operation === other.operation && one.resourceType === other.resourceType;

await onOwnKafka({ secured: true }, ({ brokers, security }) => {
  if (!security) throw new Error('the brokers were asked to be secured');
  const { admin: superUser, limited, ca, caFile } = security;
  let admin: Admin;

  const acls = (prefix: string, rights: readonly Right[]): AclEntry[] =>
    rights.map(({ resourceType, name, operation }) => ({
      principal: `User:${limited.username}`,
      host: '*',
      permissionType: AclPermissionTypes.ALLOW,
      resourcePatternType: ResourcePatternTypes.LITERAL,
      resourceType,
      resourceName: prefix + name,
      operation,
    }));

  const grant = (prefix: string, rights: readonly Right[]) => admin.createAcls({ acl: acls(prefix, rights) });

  const revoke = (prefix: string, rights: readonly Right[]) =>
    admin.deleteAcls({ filters: acls(prefix, rights) });

  /** Topics that an operator made, and a user with some rights to them. */
  async function prepare(prefix: string, rights: readonly Right[]): Promise<Record<string, string>> {
    const topics = Object.values(TOPICS).map((name) => ({ topic: prefix + name, numPartitions: 2 }));
    await admin.createTopics({ topics, waitForLeaders: false });
    for (const { topic } of topics) await eventually(() => isServed(topic), Boolean);
    await grant(prefix, rights);
    return {
      KAFKA_BROKERS: brokers.join(),
      KAFKA_SSL_CA: caFile,
      KAFKA_SASL_USERNAME: limited.username,
      KAFKA_SASL_PASSWORD: limited.password,
      KAFKA_TOPIC_PREFIX: prefix,
    };
  }

  const isServed = (topic: string) =>
    offsetsOf(topic).then(
      () => true,
      () => false,
    );

  const offsetsOf = async (topic: string): Promise<number> =>
    (await admin.fetchTopicOffsets(topic)).reduce((sum, { high }) => sum + Number(high), 0);

  beforeAll(async () => {
    const sasl = { mechanism: 'plain' as const, ...superUser };
    admin = new Kafka({ brokers, ssl: { ca: [ca] }, sasl, logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
  });
  afterAll(() => admin.disconnect());

  describe('the service as a Kafka user with few rights', () => {
    it.each(REFUSED_AT_START)(
      'given $given, then it exits with 78 and one line that names the user and $naming',
      async ({ missing, naming }) => {
        const prefix = `no-${missing.operation}-${missing.resourceType}-${naming}.`;
        const rest = ALL.filter((right) => !isSame(missing)(right));
        const env = await prepare(prefix, rest);
        const error: unknown = await start({ env, startTimeoutMs: 60_000 }).catch((reason) => reason);
        if (!(error instanceof ServiceNotStarted)) throw error;
        const lines = error.exit.stderr.split('\n').filter(Boolean);
        expect(lines).toEqual([expect.stringMatching(/^KAFKA_SASL_USERNAME: this user may not /)]);
        expect(lines[0]).toContain(prefix + naming);
        expect(error.exit.code).toBe(EX_CONFIG);
      },
    );

    it('given no topics and no right to make them, then it exits with 78 and one line that names them', async () => {
      const env = { ...(await prepare('others.', ALL)), KAFKA_TOPIC_PREFIX: 'missing.' };
      await grant('missing.', [onTopic(lifecycle, CREATE), onTopic(cascade, CREATE)]);
      const names = Object.values(TOPICS).map((name) => `missing.${name}`);
      const stderr = `KAFKA_SASL_USERNAME: this user may not see or create the topics ${names.join(', ')}\n`;
      await expect(start({ env, startTimeoutMs: 60_000 })).rejects.toMatchObject({
        exit: { code: EX_CONFIG, stderr },
      });
    });

    it('given the rights that it needs and no more, then a deletion goes through, and asking for them stored nothing', async () => {
      const env = await prepare('enough.', ALL);
      const service = await start({ env, startTimeoutMs: 60_000 });
      const { id } = await createUser(service);
      expectStatus(await service.request('DELETE', `/v1/users/${id}`), 202);
      await completedDeletion(service, id);
      expectStatus(await service.request('GET', '/health/ready', { key: null }), 200);
      expect(await offsetsOf(`enough.${deadLetter}`)).toBe(0);
    });

    it('given no right to a consumer group, then it says so once, is not ready, and goes on when it has it', async () => {
      const env = await prepare(
        'groupless.',
        ALL.filter(({ name }) => name !== 'keys'),
      );
      const service = await start({ env, startTimeoutMs: 60_000 });
      const { id } = await createUser(service);
      expectStatus(await service.request('DELETE', `/v1/users/${id}`), 202);
      await expectRefused(service, 'read as the group groupless.keys, or ');
      await grant('groupless.', [reading('keys')]);
      await completedDeletion(service, id);
      expectStatus(await untilReady(service), 200);
    });

    it.each([
      ['write confirmations', 'unwritten.', onTopic(cascade, WRITE), 'write to the topic'],
      ['read what is confirmed', 'unread.', onTopic(cascade, READ), 'read the topic'],
    ])(
      'given the right to %s taken away while it runs, then it says so once, is not ready, and goes on when it is back',
      async (_, prefix, right, said) => {
        const env = await prepare(prefix, ALL);
        const service = await start({ env, startTimeoutMs: 60_000 });
        expectStatus(await ready(service), 200);
        await revoke(prefix, [right]);
        const { id } = await createUser(service);
        expectStatus(await service.request('DELETE', `/v1/users/${id}`), 202);
        await expectRefused(service, `${said} ${prefix}${cascade}"`);
        await grant(prefix, [right]);
        await completedDeletion(service, id);
        expectStatus(await untilReady(service), 200);
      },
    );
  });
});
