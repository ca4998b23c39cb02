import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { Kafka, type Message as KafkaRecord, logLevel } from 'kafkajs';
import { MESSAGE_TYPES, TOPICS } from '#contracts';
import { newId } from '#kernel';
import type { Service } from '#testing';
import { onKafka } from '../../libs/testing/src/back-ends/on-back-end.js';
import {
  completedDeletion,
  createEquippedUser,
  type Deletion,
  eventually,
  expectStatus,
  start,
  verifyKey,
} from './support.js';

const TRIES = 5;

interface Consumer {
  group: string;
  topic: string;
  lag: number;
  deadLettered: number;
}

await onKafka(({ setting, origin }) => {
  const prefix = `${newId()}.`;
  // One partition, so that whatever follows stands behind the message that can't be handled.
  const kafka = { KAFKA_BROKERS: setting, KAFKA_TOPIC_PREFIX: prefix, KAFKA_TOPIC_PARTITIONS: '1' };
  let service: Service;

  const deleteUser = async (id: string) =>
    expectStatus(await service.request('DELETE', `/v1/users/${id}`), 202);

  /** Runs `npm run dead-letters`'s program as an operator would. */
  const deadLetters = (...args: string[]) =>
    new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
      const program = ['dist/scripts/dead-letters.js', ...args];
      const env = { PATH: process.env.PATH, ...kafka };
      execFile(process.execPath, program, { env }, (error, stdout, stderr) =>
        resolve({ code: error?.code ?? 0, stdout, stderr }),
      );
    });

  const list = async () => {
    const { code, stdout, stderr } = await deadLetters('list');
    if (code !== 0) throw new Error(stderr);
    const lines = stdout.split('\n').filter(Boolean);
    return lines.map((line) => {
      const [id = '', , state, group, place, type, subject, why] = line.split('  ');
      return { id, state, group, place, type, subject, why };
    });
  };

  const lettersOf = async (subject: string) => (await list()).filter((letter) => letter.subject === subject);

  const consumers = async (): Promise<Consumer[]> =>
    (await service.request<{ consumers: Consumer[] }>('GET', '/health/ready', { key: null })).body.consumers;

  const givenUpBy = async (group: string): Promise<number> =>
    (await consumers()).find((one) => one.group === group)?.deadLettered ?? 0;

  const onReadModels = (...statements: string[]): void => {
    const file = new DatabaseSync(join(service.dataDir, 'read', 'key-uses.db'), { timeout: 5_000 });
    for (const statement of statements) file.exec(statement);
    file.close();
  };

  beforeAll(async () => {
    // The read models are broken by hand below, which is written for SQLite.
    service = await start({ env: { ...kafka, DATABASE_URL: '' }, startTimeoutMs: 60_000 });
  });

  describe(`a message that cannot be handled, over ${origin}`, () => {
    it('given a fault that one user alone meets, then others are deleted, and a replay after the repair finishes that user', async () => {
      const [poisoned, other] = [await createEquippedUser(service), await createEquippedUser(service)];
      onReadModels(
        `insert into key_uses values ('${newId()}', '${poisoned.id}', '2026-01-15T10:00:00.000Z')`,
        `create trigger poison before delete on key_uses when old.user_id = '${poisoned.id}'
         begin select raise(abort, 'bob@example.net'); end`,
      );
      await deleteUser(poisoned.id);
      await deleteUser(other.id);
      await completedDeletion(service, other.id);

      const found = await eventually(
        () => lettersOf(poisoned.id),
        ({ length }) => length > 0,
      );
      const told = { state: 'open', group: 'keys', type: MESSAGE_TYPES.userDeleted };
      expect(found).toEqual([
        expect.objectContaining({ ...told, why: expect.stringMatching(`after ${TRIES} tries$`) }),
      ]);
      expect(found[0]?.place).toMatch(new RegExp(`^${TOPICS.lifecycle}/0/\\d+$`));
      expect(JSON.stringify(found) + service.logs()).not.toContain('bob@example.net');
      const path = `/v1/users/${poisoned.id}/deletion`;
      const { body } = await service.request<Deletion>('GET', path);
      const states = Object.fromEntries(body.participants.map(({ name, status }) => [name, status]));
      const confirmed = { budgets: 'confirmed', connections: 'confirmed', vault: 'confirmed' };
      expect([body.status, states]).toEqual(['pending', { ...confirmed, keys: 'pending' }]);

      const id = found[0]?.id ?? '';
      expect(await deadLetters('replay', id)).toMatchObject({ code: 0 });
      expect(
        await eventually(
          () => givenUpBy('keys'),
          (count) => count > 1,
        ),
      ).toBe(2);
      expect(await lettersOf(poisoned.id)).toMatchObject([{ id, state: 'open' }]);

      onReadModels('drop trigger poison');
      expect((await service.request<Deletion>('GET', path)).body.status).toBe('pending');
      expect(await deadLetters('replay', id)).toMatchObject({ code: 0, stdout: expect.stringContaining(id) });
      const receipt = await completedDeletion(service, poisoned.id);
      expect(receipt.participants).toContainEqual(
        expect.objectContaining({ name: 'keys', status: 'confirmed', removed: { keys: 1 } }),
      );
      expect(await lettersOf(poisoned.id)).toMatchObject([{ id, state: 'replayed' }]);
    });

    it('given what breaks the contract or is no message, then each group gives it up at once, and nobody is deleted by it', async () => {
      const [named, other] = [await createEquippedUser(service), await createEquippedUser(service)];
      const type = MESSAGE_TYPES.userDeleted;
      await send([
        { key: named.id, headers: headersOf(type, named.id), value: JSON.stringify({ user_id: named.id }) },
        { key: 'nobody', value: 'bob@example.net' },
      ]);
      await deleteUser(other.id);
      await completedDeletion(service, other.id);
      await eventually(consumers, (all) => all.every(({ lag }) => lag === 0));

      const letters = await list();
      const refused = letters.filter(({ subject }) => subject === named.id);
      const unreadable = letters.filter(({ subject }) => subject === 'nobody');
      for (const given of [refused, unreadable]) {
        expect(given.map(({ group }) => group).sort()).toEqual(['budgets', 'connections', 'keys']);
        expect(given.map(({ why }) => why)).toEqual(Array(3).fill('invalid_input after 1 try'));
      }
      expect(await verifyKey(service, named.rawKey)).toMatchObject({ valid: true });
      const { code, stderr } = await deadLetters('replay', unreadable[0]?.id ?? '');
      expect([code, stderr]).toEqual([1, expect.stringContaining('no message')]);
      expect(JSON.stringify(letters) + service.logs()).not.toContain('bob@example.net');
    });
  });

  const headersOf = (type: string, subject: string) => ({
    ce_specversion: '1.0',
    ce_id: newId(),
    ce_type: type,
    ce_source: '/test',
    ce_subject: subject,
    ce_time: new Date().toISOString(),
    ce_correlationid: newId(),
    ce_causationid: newId(),
  });

  async function send(messages: KafkaRecord[]): Promise<void> {
    const producer = new Kafka({ brokers: setting.split(','), logLevel: logLevel.NOTHING }).producer();
    await producer.connect();
    await producer.send({ topic: prefix + TOPICS.lifecycle, messages });
    await producer.disconnect();
  }
});
