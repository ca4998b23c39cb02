import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Kafka, type Message as KafkaRecord, logLevel } from 'kafkajs';
import { TOPICS } from '#contracts';
import { newId, unavailable } from '#kernel';
import { kafkaTestOptions, onKafka, Record, startConsumers, TEST_TYPE, testMessage, until } from '#testing';
import { KafkaBus } from './kafka-bus.js';
import { KafkaDeadLetters } from './kafka-dead-letters.js';

await onKafka(({ setting, origin }) => {
  describe(`records of ${origin}`, () => {
    let options: ReturnType<typeof kafkaTestOptions>;
    let bus: KafkaBus;
    let closing: (() => Promise<void>)[];
    const topic = 'topic';
    const client = new Kafka({ brokers: setting.split(','), logLevel: logLevel.NOTHING });

    beforeEach(async () => {
      options = kafkaTestOptions(setting);
      bus = await KafkaBus.open(options);
      closing = [() => bus.close()];
    });
    afterEach(async () => {
      for (const close of closing.reverse()) await close();
    });

    async function consume(record: Record, group = 'group', using = bus) {
      const consumer = { group, topics: [topic], handlers: [[TEST_TYPE, record.handler] as const] };
      const { app, servers } = await startConsumers(using, [consumer]);
      closing.push(() => app.close());
      return { app, status: async () => (await servers[0]?.statuses())?.[0] };
    }

    async function sendRaw(records: KafkaRecord[]): Promise<void> {
      const producer = client.producer();
      await producer.connect();
      await producer.send({ topic: options.prefix + topic, messages: records });
      await producer.disconnect();
    }

    const letters = async () => {
      const deadLetters = new KafkaDeadLetters(options);
      closing.push(() => deadLetters.close());
      return { deadLetters, list: await deadLetters.list() };
    };

    it('given records that are no messages, then each is dead-lettered with its place and the others are handled', async () => {
      const record = new Record();
      await bus.publish(topic, [testMessage('a', 1)]);
      const headers = { ce_id: '1', ce_type: TEST_TYPE, ce_source: '/t', ce_subject: 'a', ce_time: 'now' };
      await sendRaw([
        { key: 'a', value: null },
        { key: 'a', value: '{"broken', headers },
        { key: 'a', value: '[]', headers: { ...headers, ce_correlationid: 'c', ce_causationid: 'c' } },
        { value: Buffer.from([0xff, 0x00]), headers: { ce_type: [TEST_TYPE, TEST_TYPE] } },
        { key: 'a', value: 'alice@example.com', headers: { ce_type: 'another.v1' } },
      ]);
      await bus.publish(topic, [testMessage('a', 2)]);
      const { status } = await consume(record);
      await until('the good ones came', async () => record.count >= 2 && (await status())?.lag === 0);
      expect(record.of('a')).toEqual([1, 2]);
      expect(await status()).toMatchObject({ deadLettered: 4, state: 'running' });
      const { deadLetters, list } = await letters();
      expect(list).toHaveLength(4);
      for (const found of list) {
        expect(found).toMatchObject({ readable: false, replayed: false });
        expect(found.letter).toMatchObject({ topic, group: 'group', error: 'invalid_input', attempts: 1 });
        expect(found.origin).toMatch(/^topic\/\d+\/\d+$/);
        await expect(deadLetters.replay(found)).rejects.toMatchObject({ kind: 'illegal_state' });
      }
      expect(JSON.stringify(list)).not.toContain('alice');
    });

    it('given a dead letter that is replayed, then the group that gave it up alone gets it again', async () => {
      const [failing, other] = [new Record(), new Record()];
      let broken = true;
      const handler: typeof failing.handler = (context) => {
        if (broken) throw new TypeError('not yet');
        return failing.handler(context);
      };
      await consume(other, 'other');
      const { status } = await consume(Object.assign(new Record(), { handler }) as Record, 'failing');
      await bus.publish(topic, [testMessage('a', 1)]);
      await until('it is given up', async () => (await status())?.deadLettered === 1 && other.count === 1);
      const { deadLetters, list } = await letters();
      expect(list).toMatchObject([
        { replayed: false, readable: true, letter: { error: 'TypeError', attempts: 4 } },
      ]);
      broken = false;
      for (const letter of list) await deadLetters.replay(letter);
      await bus.publish(topic, [testMessage('a', 2)]);
      await until('both groups have all', () => failing.count >= 2 && other.count >= 2);
      expect([failing.of('a'), other.of('a')]).toEqual([
        [1, 2],
        [1, 2],
      ]);
      expect(await deadLetters.list()).toMatchObject([{ replayed: true }]);
    });

    it('given a message, then it is a CloudEvent in binary mode, its subject the key, in topics as they are set', async () => {
      const message = testMessage('subject', 1);
      await bus.publish(topic, [message]);
      const seen: { key: string | undefined; value: unknown; headers: object }[] = [];
      const consumer = client.consumer({ groupId: newId() });
      closing.push(() => consumer.disconnect());
      await consumer.subscribe({ topics: [options.prefix + topic], fromBeginning: true });
      await consumer.run({
        eachMessage: async ({ message: { key, value, headers } }) => {
          const texts = Object.entries(headers ?? {}).map(([name, text]) => [name, String(text)]);
          seen.push({
            key: key?.toString(),
            value: JSON.parse(String(value)),
            headers: Object.fromEntries(texts),
          });
        },
      });
      await until('it came', () => seen.length > 0);
      const { id, type, source, subject, time, correlationId, causationId, data } = message;
      const attributes = { ce_id: id, ce_type: type, ce_source: source, ce_subject: subject, ce_time: time };
      const further = { ce_correlationid: correlationId, ce_causationid: causationId, ce_specversion: '1.0' };
      const headers = { ...attributes, ...further, 'content-type': 'application/json' };
      expect(seen).toEqual([{ key: subject, value: data, headers }]);
      const admin = client.admin();
      await admin.connect();
      closing.push(() => admin.disconnect());
      const { topics } = await admin.fetchTopicMetadata({ topics: [options.prefix + TOPICS.lifecycle] });
      expect(topics[0]?.partitions).toHaveLength(options.partitions);
    });

    it('given a second consumer of the group that comes and goes, then all is handled, in order of its subject', async () => {
      const subjects = Array.from({ length: 12 }, (_, index) => `subject-${index}`);
      const handled = new Map(subjects.map((subject) => [subject, [] as number[]]));
      const record = (): Record =>
        Object.assign(new Record(), {
          handler: async ({ message }: { message: { subject: string; data: object } }) => {
            await sleep(1);
            handled.get(message.subject)?.push((message.data as { number: number }).number);
          },
        }) as Record;
      const publish = async (from: number): Promise<void> => {
        for (let number = from; number < from + 50; number++) {
          await bus.publish(
            topic,
            subjects.map((subject) => testMessage(subject, number)),
          );
        }
      };
      await consume(record());
      const second = await KafkaBus.open(options);
      closing.push(() => second.close());
      await publish(0);
      const [{ app }] = await Promise.all([consume(record(), 'group', second), publish(50)]);
      await Promise.all([app.close(), publish(100)]);
      const last = (subject: string) => handled.get(subject)?.at(-1);
      await until('all are handled', () => subjects.every((subject) => last(subject) === 149));
      for (const subject of subjects) {
        const numbers = handled.get(subject) ?? [];
        // One that comes twice comes with all that follow it, so each new number is the next one.
        const fresh = numbers.filter((number, index) => numbers.indexOf(number) === index);
        expect(fresh).toEqual(Array.from({ length: 150 }, (_, number) => number));
      }
    });

    it('given a handler that waits for longer than a session lasts, then it keeps its partition', async () => {
      const attempts: number[] = [];
      const started = Date.now();
      const patient = Object.assign(new Record(), {
        handler: ({ attempt }: { attempt: number }) => {
          attempts.push(attempt);
          if (Date.now() - started < options.sessionTimeoutMs + 1_500) throw unavailable('down');
        },
      }) as Record;
      await bus.publish(topic, [testMessage('a', 1)]);
      const { status } = await consume(patient);
      await until('it is handled', async () => attempts.length > 0 && (await status())?.lag === 0);
      expect(attempts).toEqual(attempts.map((_, index) => index + 1));
    });
  });
});
