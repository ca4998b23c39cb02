import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
// Not through the index, which would load every library.
import type { KafkaSecurity } from '../../libs/testing/src/back-ends/kafka-properties.js';
import { onOwnKafka } from '../../libs/testing/src/back-ends/on-back-end.js';
import {
  completedDeletion,
  createUser,
  expectStatus,
  ServiceNotStarted,
  start,
  temporaryDataDir,
} from './support.js';

const EX_CONFIG = 78;

interface Wrong {
  given: string;
  named: string;
  change(security: KafkaSecurity): Record<string, string>;
}

const WRONG: Wrong[] = [
  {
    given: 'no such host',
    named: 'KAFKA_BROKERS',
    change: () => ({ KAFKA_BROKERS: 'kafka.invalid:9092' }),
  },
  {
    given: 'a wrong password',
    named: 'KAFKA_SASL_PASSWORD',
    change: () => ({ KAFKA_SASL_PASSWORD: 'this-is-wrong' }),
  },
  {
    given: 'a mechanism that the brokers do not offer',
    named: 'KAFKA_SASL_PASSWORD',
    change: () => ({ KAFKA_SASL_MECHANISM: 'scram-sha-256' }),
  },
  {
    given: 'a user without rights',
    named: 'KAFKA_SASL_USERNAME',
    change: ({ guest }) => ({ KAFKA_SASL_USERNAME: guest.username, KAFKA_SASL_PASSWORD: guest.password }),
  },
  {
    given: 'a certificate that nobody vouches for',
    named: 'KAFKA_SSL',
    change: () => ({ KAFKA_SSL: 'true', KAFKA_SSL_CA: '' }),
  },
];

await onOwnKafka({ secured: true }, ({ brokers, security }) => {
  if (!security) throw new Error('the brokers were asked to be secured');
  const right = {
    KAFKA_BROKERS: brokers.join(),
    KAFKA_SSL_CA: security.caFile,
    KAFKA_SASL_MECHANISM: 'plain',
    KAFKA_SASL_USERNAME: security.admin.username,
    KAFKA_SASL_PASSWORD: security.admin.password,
    KAFKA_TOPIC_PARTITIONS: '2',
  };

  describe('the service over Kafka with TLS and a login', () => {
    it.each(WRONG)('given $given, then exits with 78 and one line that names $named', async (row) => {
      const env = { ...right, ...row.change(security) };
      const error: unknown = await start({ env, startTimeoutMs: 60_000 }).catch((reason: unknown) => reason);
      if (!(error instanceof ServiceNotStarted)) throw error;
      const { code, stderr } = error.exit;
      expect(stderr.split('\n').filter(Boolean)).toEqual([
        expect.stringMatching(new RegExp(`^${row.named}: `)),
      ]);
      expect(stderr).not.toContain('wrong');
      expect(code).toBe(EX_CONFIG);
    });

    it('given a certificate file with none in it, then names KAFKA_SSL_CA', async () => {
      const file = join(temporaryDataDir(), 'ca.pem');
      writeFileSync(file, 'nothing');
      const env = { ...right, KAFKA_SSL_CA: file };
      await expect(start({ env })).rejects.toMatchObject({ exit: { code: EX_CONFIG } });
    });

    it('given right settings, then a deletion goes through the brokers to its receipt', async () => {
      const service = await start({ env: right, startTimeoutMs: 60_000 });
      const { id } = await createUser(service);
      expectStatus(await service.request('DELETE', `/v1/users/${id}`), 202);
      expect(await completedDeletion(service, id)).toMatchObject({ status: 'completed' });
      const { body } = await service.request('GET', '/health/ready', { key: null });
      expect(body).toMatchObject({ status: 'up' });
    });
  });
});
