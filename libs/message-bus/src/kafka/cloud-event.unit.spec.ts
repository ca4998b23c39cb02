import { describe, expect, it } from '@jest/globals';
import type { KafkaMessage } from 'kafkajs';
import type { Message } from '#contracts';
import { shellOf, toMessage, toRecord } from './cloud-event.js';

const message: Message<object> = {
  id: 'id',
  type: 'type.v1',
  source: '/source',
  subject: 'subject',
  time: '2026-01-15T10:00:00.000Z',
  correlationId: 'correlation',
  causationId: 'cause',
  data: { number: 1, text: '{ü' },
};

/** As a broker gives it back. */
const received = (changes: object = {}): KafkaMessage => {
  const { key, value, headers } = toRecord(message);
  const texts = Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)]);
  return {
    key: Buffer.from(key),
    value: Buffer.from(value),
    headers: Object.fromEntries(texts),
    timestamp: '1768471200000',
    attributes: 0,
    offset: '7',
    ...changes,
  };
};

describe('a CloudEvent in binary mode', () => {
  it('given a message, then it comes back as it was', () => {
    expect(toMessage(received())).toEqual(message);
  });

  it.each(['null', '[1]', '"text"', '{"broken', ''])('given the value %s, then it is no message', (value) => {
    expect(toMessage(received({ value: Buffer.from(value) }))).toBeUndefined();
  });

  it.each(Object.keys(toRecord(message).headers).filter((name) => !/specversion|content-type/.test(name)))(
    'given no %s, then it is no message',
    (name) => {
      const { [name]: _, ...headers } = received().headers ?? {};
      expect(toMessage(received({ headers }))).toBeUndefined();
    },
  );

  it('given a record without anything, then its shell has its place for an id, and no data', () => {
    const shell = shellOf(received({ key: null, value: null, headers: {} }), 'topic/0/7');
    expect(shell).toMatchObject({ id: 'topic/0/7', subject: 'topic/0/7', data: {} });
    expect(shell.time).toBe('2026-01-15T10:00:00.000Z');
  });
});
