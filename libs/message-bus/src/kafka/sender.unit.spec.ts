import { describe, expect, it } from '@jest/globals';
import { unavailable } from '#kernel';
import type { KafkaConnection } from './kafka-connection.js';
import type { Refusals } from './refusals.js';
import { Sender } from './sender.js';
import type { Topics } from './topics.js';

const RECORD = { key: 'user', value: '{}', headers: {} };

describe('messages for brokers that do not answer', () => {
  it('given 10,000 that wait, then the next is refused at once, and each of those is told in the end', async () => {
    const gate = Promise.withResolvers<never>();
    const topics = { ensure: () => gate.promise, forget: () => undefined } as unknown as Topics;
    const refusals = { note: () => undefined } as unknown as Refusals;
    const sender = new Sender({} as KafkaConnection, topics, refusals);
    const underWay = sender.send('topic', [RECORD]);
    const waiting = Array.from({ length: 10_000 }, () => sender.send('topic', [RECORD]));
    await expect(sender.send('topic', [RECORD])).rejects.toMatchObject({ code: 'unavailable' });
    gate.reject(unavailable('away'));
    const outcomes = await Promise.allSettled([underWay, ...waiting]);
    expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
  });
});
