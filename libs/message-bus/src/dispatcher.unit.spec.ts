import { describe, expect, it } from '@jest/globals';
import { type DeadLettered, type Message, TOPICS, validateMessage } from '#contracts';
import { TenantryError, unavailable } from '#kernel';
import { Dispatcher, type Handle } from './dispatcher.js';
import type { MessageContext } from './message-bus.js';

const TOPIC = 'topic';
const message = (subject: string, number: number): Message<object> => ({
  id: `${subject}-${number}`,
  type: 'test.happened.v1',
  source: '/test',
  subject,
  time: '2026-01-15T10:00:00.000Z',
  correlationId: 'correlation',
  causationId: 'cause',
  data: { number },
});

function given(handlers: Handle[], publish: () => Promise<void> = () => Promise.resolve()) {
  const logged: object[] = [];
  const deadLetters: Message<object>[] = [];
  const stop = new AbortController();
  const dispatcher = new Dispatcher({
    group: 'group',
    handlersOf: () => handlers,
    publisher: {
      publish: async (topic, messages) => {
        await publish();
        expect(topic).toBe(TOPICS.deadLetter);
        deadLetters.push(...messages);
      },
    },
    logger: { warn: (entry) => logged.push(entry), error: (entry) => logged.push(entry) },
    clock: { now: () => new Date('2026-01-15T11:00:00.000Z') },
    retry: { maxAttempts: 3, firstDelayMs: 1, maxDelayMs: 2 },
  });
  const dispatch = (messages: Message<object>[], topic = TOPIC) =>
    dispatcher.dispatch(topic, messages, stop.signal);
  return { dispatcher, dispatch, logged, deadLetters, stop };
}

const failing = (error: unknown): Handle => {
  return () => Promise.reject(error);
};

describe('the dispatcher', () => {
  it('given hundreds of subjects, then at most 128 are handled at once and all are', async () => {
    let [open, most, handled] = [0, 0, 0];
    const { dispatch } = given([
      async () => {
        most = Math.max(most, ++open);
        // Longer than it takes until as many as may be are begun.
        for (let turns = 0; turns < 20; turns++) await new Promise(setImmediate);
        open--;
        handled++;
      },
    ]);
    const messages = Array.from({ length: 300 }, (_, index) => message(`subject-${index}`, index));
    expect(await dispatch(messages)).toBe(300);
    expect([most, handled]).toEqual([128, 300]);
  });

  it.each([
    ['conflict', new TenantryError('conflict', 'lost'), 3],
    ['not_found', new TenantryError('not_found', 'gone'), 1],
    ['over_budget', new TenantryError('illegal_state', 'no', { code: 'over_budget' }), 1],
    ['RangeError', new RangeError('secret'), 3],
    ['unknown', { status: 'error', message: 'secret' }, 3],
    ['unknown', undefined, 3],
  ])(
    'given a handler that throws %s, then a dead letter names it and nothing of its text is kept',
    async (name, error, attempts) => {
      const { dispatch, deadLetters, logged, dispatcher } = given([failing(error)]);
      const poison = message('a', 1);
      expect(await dispatch([poison])).toBe(1);
      expect(deadLetters).toMatchObject([
        {
          type: 'tenantry.dead-letter.v1',
          subject: 'a',
          correlationId: 'correlation',
          causationId: 'a-1',
          data: { topic: TOPIC, group: 'group', attempts, error: name, message: poison },
        },
      ]);
      expect(validateMessage(deadLetters[0], { exact: true })).toEqual([]);
      expect(dispatcher.deadLettered(TOPIC)).toBe(1);
      expect(logged.at(-1)).toMatchObject({ error: name, correlationId: 'correlation', messageId: 'a-1' });
      expect(JSON.stringify([logged, deadLetters])).not.toContain('secret');
    },
  );

  it('given the same message given up twice, then both dead letters have one id', async () => {
    const { dispatch, deadLetters } = given([failing(new TenantryError('not_found', 'gone'))]);
    await dispatch([message('a', 1)]);
    await dispatch([message('a', 1)]);
    await dispatch([message('a', 2)]);
    expect(new Set(deadLetters.map(({ id }) => id)).size).toBe(2);
  });

  it('given a stop while one subject waits, then it answers the handled ones before the first gap', async () => {
    const handled: string[] = [];
    const { dispatch, stop, deadLetters } = given([
      async ({ message: { id } }: MessageContext) => {
        if (id === 'b-1') throw unavailable('down');
        handled.push(id);
        if (id === 'c-1') setTimeout(() => stop.abort(), 5);
      },
    ]);
    const batch = [message('a', 1), message('b', 1), message('b', 2), message('c', 1)];
    expect(await dispatch(batch)).toBe(1);
    expect([handled, deadLetters]).toEqual([['a-1', 'c-1'], []]);
  });

  it('given a dead-letter topic that fails at first, then the message is not passed over', async () => {
    let failures = 4;
    const { dispatch, deadLetters } = given([failing(new TenantryError('not_found', 'gone'))], async () => {
      if (failures-- > 0) throw unavailable('down');
    });
    expect(await dispatch([message('a', 1)])).toBe(1);
    expect(deadLetters).toHaveLength(1);
  });

  it('given a stop while the dead letter can not be stored, then the message is not done with', async () => {
    const { dispatch, stop } = given([failing(new TenantryError('not_found', 'gone'))], async () => {
      stop.abort();
      throw unavailable('down');
    });
    expect(await dispatch([message('a', 1)])).toBe(0);
  });

  it('given a dead letter that can not be handled, then it is not dead-lettered again', async () => {
    const { dispatch, deadLetters, dispatcher } = given([failing(new TenantryError('not_found', 'gone'))]);
    expect(await dispatch([message('a', 1)], TOPICS.deadLetter)).toBe(1);
    expect([deadLetters, dispatcher.deadLettered(TOPICS.deadLetter)]).toEqual([[], 1]);
  });

  it('given two handlers that fail, then both errors are dead-lettered', async () => {
    const { dispatch, deadLetters } = given([
      failing(new TenantryError('not_found', 'gone')),
      failing(new TypeError()),
    ]);
    await dispatch([message('a', 1)]);
    expect(deadLetters.map(({ data }) => (data as DeadLettered).error)).toEqual(['not_found', 'TypeError']);
  });
});
