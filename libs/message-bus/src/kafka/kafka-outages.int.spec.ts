import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import {
  kafkaTestOptions,
  onOwnKafka,
  Record,
  startConsumers,
  TEST_TYPE,
  testMessage,
  until,
} from '#testing';
import { KafkaBus } from './kafka-bus.js';

const SUBJECTS = Array.from({ length: 8 }, (_, index) => `subject-${index}`);
const TOPIC = 'topic';
const RECOVERY_MS = 90_000;
const TEST_TIMEOUT_MS = 240_000;

/** Publishes numbered messages until it is told to stop; what fails is published again, as the relay does. */
function publishUntil(bus: KafkaBus, stopped: () => boolean) {
  let failures = 0;
  const published = SUBJECTS.map(async (subject) => {
    let number = 0;
    for (; !stopped(); number++) {
      const message = testMessage(subject, number);
      while (
        !(await bus.publish(TOPIC, [message]).then(
          () => true,
          () => false,
        ))
      ) {
        failures++;
        await sleep(50);
      }
    }
    return number;
  });
  return { counts: Promise.all(published), failures: () => failures };
}

/** Nothing is missing, and a number is new only when it follows the last. */
function expectComplete(record: Record, counts: readonly number[]): void {
  for (const [index, subject] of SUBJECTS.entries()) {
    const numbers = record.of(subject);
    const fresh = [...new Set(numbers)];
    expect(fresh).toEqual(Array.from({ length: counts[index] ?? 0 }, (_, number) => number));
  }
}

async function runThrough(brokers: readonly string[], outage: (record: Record) => Promise<void>) {
  const options = kafkaTestOptions(brokers.join());
  const bus = await KafkaBus.open(options);
  const record = new Record();
  const consumer = { group: 'group', topics: [TOPIC], handlers: [[TEST_TYPE, record.handler] as const] };
  const { app } = await startConsumers(bus, [consumer]);
  let stopped = false;
  const { counts, failures } = publishUntil(bus, () => stopped);
  try {
    await until('messages flow', () => record.count > 200, RECOVERY_MS);
    await outage(record);
    const before = record.count;
    await until('messages flow again', () => record.count > before + 200, RECOVERY_MS);
    stopped = true;
    const sent = await counts;
    const last = (subject: string) => record.of(subject).at(-1);
    const complete = (): boolean => SUBJECTS.every((name, index) => last(name) === (sent[index] ?? 0) - 1);
    await until('all are handled', complete, RECOVERY_MS);
    expectComplete(record, sent);
    return { failures: failures() };
  } finally {
    stopped = true;
    await app.close();
    await bus.close();
  }
}

await onOwnKafka({ brokers: 1 }, ({ brokers, kill, restart }) => {
  it(
    'given the only broker killed under load and started again, then nothing is lost and the order holds',
    async () => {
      const { failures } = await runThrough(brokers, async () => {
        await kill(0);
        await sleep(5_000);
        await restart(0);
      });
      expect(failures).toBeGreaterThan(0);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'given brokers that are down at the start, then the bus opens, is not ready, and works when they are back',
    async () => {
      await kill(0);
      const options = kafkaTestOptions(brokers.join());
      const bus = await KafkaBus.open(options);
      const record = new Record();
      const consumer = { group: 'group', topics: [TOPIC], handlers: [[TEST_TYPE, record.handler] as const] };
      const { app, servers } = await startConsumers(bus, [consumer]);
      await expect(bus.ready()).rejects.toMatchObject({ kind: 'unavailable' });
      await expect(bus.publish(TOPIC, [testMessage('a', 1)])).rejects.toMatchObject({ kind: 'unavailable' });
      expect(await servers[0]?.statuses()).toMatchObject([{ lag: 0, state: 'running' }]);
      await restart(0);
      await bus.publish(TOPIC, [testMessage('a', 1)]);
      await until('it came', () => record.count > 0, RECOVERY_MS);
      await expect(bus.ready()).resolves.toBeUndefined();
      await app.close();
      await bus.close();
    },
    TEST_TIMEOUT_MS,
  );
});

await onOwnKafka({ brokers: 3 }, ({ brokers, kill }) => {
  it(
    'given one of three brokers killed under load, then nothing is lost and the order holds without it',
    async () => {
      await runThrough(brokers, () => kill(1));
    },
    TEST_TIMEOUT_MS,
  );
});
