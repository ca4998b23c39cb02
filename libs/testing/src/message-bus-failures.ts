import { expect, it } from '@jest/globals';
import type { DeadLettered } from '#contracts';
import { illegalState, invalidInput, unavailable } from '#kernel';
import { deadLetterCollector, numberOf, type TestHandler, testMessage, until } from './message-bus-app.js';
import { type Bench, Record, range } from './message-bus-bench.js';

export function describeRetries(bench: () => Bench): void {
  it('given a handler that fails twice, then the message is tried again before the next of its subject', async () => {
    const steps: string[] = [];
    await bench().start(
      bench().consumer(({ message, attempt }) => {
        steps.push(`${numberOf(message)} attempt ${attempt}`);
        if (numberOf(message) === 0 && attempt < 3) throw new Error('not yet');
      }),
    );
    await bench().publish('a', 2);
    await until('both are handled', () => steps.length >= 4);
    expect(steps).toEqual(['0 attempt 1', '0 attempt 2', '0 attempt 3', '1 attempt 1']);
  });

  it('given a part that is down for longer than the tries, then the message waits and is not given up', async () => {
    const { topic, maxAttempts } = bench().harness;
    const record = new Record();
    const dead = deadLetterCollector(topic);
    const downFor = maxAttempts + 3;
    const { servers } = await bench().start(
      bench().consumer((context) => {
        if (context.attempt <= downFor) throw unavailable('down');
        record.handler(context);
      }),
      dead.consumer,
    );
    await bench().publish('a', 1);
    await until('it is handled', () => record.count > 0);
    expect(await servers[0]?.statuses()).toMatchObject([{ deadLettered: 0, state: 'running' }]);
    expect(dead.letters).toEqual([]);
  });
}

export function describeDeadLetters(bench: () => Bench): void {
  const failWith = async (error: () => Error): Promise<{ attempts: number; letters: DeadLettered[] }> => {
    const { topic } = bench().harness;
    const record = new Record();
    const dead = deadLetterCollector(topic);
    let attempts = 0;
    const poisoned: TestHandler = (context) => {
      if (numberOf(context.message) > 0 || context.message.subject !== 'poison')
        return record.handler(context);
      attempts++;
      throw error();
    };
    await bench().harness.bus.publish(topic, [
      ...range(2).map((number) => testMessage('poison', number)),
      ...range(3).map((number) => testMessage('other', number)),
    ]);
    const { servers } = await bench().start(bench().consumer(poisoned), dead.consumer);
    await until(
      'it is given up and the others are handled',
      () => dead.letters.length > 0 && record.count >= 4,
    );
    expect([record.of('poison'), record.of('other')]).toEqual([[1], range(3)]);
    await until('the offset is past it', async () => (await servers[0]?.statuses())?.[0]?.lag === 0);
    expect(await servers[0]?.statuses()).toMatchObject([{ deadLettered: 1, state: 'running' }]);
    return { attempts, letters: dead.letters };
  };

  it.each([
    ['an error nobody foresaw', 'Error', () => new Error('alice@example.com')],
    ['a TypeError', 'TypeError', () => new TypeError('alice@example.com')],
    ['a SyntaxError', 'SyntaxError', () => new SyntaxError('alice@example.com')],
  ])(
    'given %s at the head of a batch, then it is dead-lettered after its tries, without its text',
    async (_, name, error) => {
      const { topic, maxAttempts } = bench().harness;
      const { attempts, letters } = await failWith(error);
      expect(attempts).toBe(maxAttempts);
      expect(letters).toMatchObject([
        { topic, group: bench().group, attempts: maxAttempts, error: name, message: { data: { number: 0 } } },
      ]);
      expect(JSON.stringify(letters)).not.toContain('alice');
    },
  );

  it.each([
    ['invalid_input', () => invalidInput('field', 'is wrong')],
    ['illegal_state', () => illegalState('closed')],
  ])('given a refusal (%s), then it is dead-lettered at once', async (code, error) => {
    const { attempts, letters } = await failWith(error);
    expect(attempts).toBe(1);
    expect(letters).toMatchObject([{ attempts: 1, error: code }]);
  });

  it('given data that does not fit the contract, then it is dead-lettered without reaching a handler', async () => {
    const { bus, topic } = bench().harness;
    const type = 'tenantry.user.deleted.v1';
    const record = new Record();
    const dead = deadLetterCollector(topic);
    const consumer = bench().consumer(record.handler);
    await bench().start(
      { ...consumer, handlers: [...consumer.handlers, [type, record.handler]] },
      dead.consumer,
    );
    await bus.publish(topic, [testMessage('a', 1, { type, data: { user_id: 7 } }), testMessage('a', 2)]);
    await until('it is given up', () => dead.letters.length > 0 && record.count > 0);
    expect(record.of('a')).toEqual([2]);
    expect(dead.letters).toMatchObject([{ attempts: 1, error: 'invalid_input', message: { type } }]);
  });
}

export function describeRestarts(bench: () => Bench, cannot: readonly 'crash'[]): void {
  it('given a bus closed and opened again, then the group goes on where it stopped', async () => {
    const { harness } = bench();
    const record = new Record();
    const { app } = await bench().start(bench().consumer(record.handler));
    await bench().publish('a', 100);
    await until('they came', () => record.count >= 100);
    await app.close();
    await bench().publish('a', 100, 100);
    harness.bus = await harness.reopen();
    await bench().start(bench().consumer(record.handler));
    await until('the rest came', () => record.count >= 200);
    expect(record.of('a')).toEqual(range(200));
  });

  it('given a message that waits for another try, then closing does not wait and it comes again', async () => {
    const { harness } = bench();
    const failed = Promise.withResolvers<void>();
    const { app } = await bench().start(
      bench().consumer(() => {
        failed.resolve();
        throw unavailable('down');
      }),
    );
    await bench().publish('a', 2);
    await failed.promise;
    await app.close();
    harness.bus = await harness.reopen();
    const record = new Record();
    await bench().start(bench().consumer(record.handler));
    await until('both came', () => record.count >= 2);
    expect(record.of('a')).toEqual(range(2));
  });

  const itCrashes = cannot.includes('crash') ? it.skip : it;
  itCrashes(
    'given a crash in the middle of a batch, then what was not saved comes again and nothing is lost',
    async () => {
      const { harness } = bench();
      const [before, after] = [new Record(), new Record()];
      const stuck = Promise.withResolvers<void>();
      const reached = Promise.withResolvers<void>();
      await bench().start(
        bench().consumer(async (context) => {
          if (numberOf(context.message) === 700) {
            reached.resolve();
            await stuck.promise;
          }
          before.handler(context);
        }),
      );
      await bench().publish('a', 1_000);
      await reached.promise;
      const reopened = await harness.crash?.();
      if (!reopened) throw new Error('declared to be able to crash');
      harness.bus = reopened;
      stuck.resolve();
      await bench().start(bench().consumer(after.handler));
      await until('the rest came', () => after.of('a').at(-1) === 999);
      const [first = 0] = after.of('a');
      expect(first).toBeLessThanOrEqual(700);
      expect(after.of('a')).toEqual(range(1_000 - first, first));
    },
  );
}
