import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { defer, of, timer } from 'rxjs';
import { mergeMap } from 'rxjs/operators';
import { newId } from '#kernel';
import type { MessageContext } from '#message-bus';
import { numberOf, TEST_TYPE, type TestHandler, testMessage, until } from './message-bus-app.js';
import { Bench, type MessageBusFactory, Record, range } from './message-bus-bench.js';
import { describeDeadLetters, describeRestarts, describeRetries } from './message-bus-failures.js';
import { checkRandomHistories } from './message-bus-model.js';

/** Joining and leaving the groups of a broker takes a while. */
const RANDOM_HISTORIES_TIMEOUT_MS = 240_000;

/** The suite that every bus passes. What an adapter can't show is named in the title. */
export function describeMessageBus(
  name: string,
  factory: MessageBusFactory,
  { cannot = [], histories = 10 }: { cannot?: 'crash'[]; histories?: number } = {},
): void {
  const title = cannot.length > 0 ? `${name} (not shown here: ${cannot.join(', ')})` : name;
  describe(`the message bus: ${title}`, () => {
    let bench: Bench;
    beforeEach(async () => {
      bench = new Bench(await factory());
    });
    afterEach(() => bench.dispose());
    const current = (): Bench => bench;
    describe('delivery', () => describeDelivery(current));
    describe('handlers', () => describeHandlers(current));
    describe('failures that pass', () => describeRetries(current));
    describe('failures that stay', () => describeDeadLetters(current));
    describe('restarts', () => describeRestarts(current, cannot));
  });
  describe(`the message bus: ${title}: random histories`, () => {
    it(
      'given random publishes, failures and restarts, then each message is handled, in order of its subject',
      () => checkRandomHistories(factory, !cannot.includes('crash'), histories),
      RANDOM_HISTORIES_TIMEOUT_MS,
    );
  });
}

function describeDelivery(bench: () => Bench): void {
  it('given thousands of messages, then each group gets all of them in order of their subject', async () => {
    const [first, second] = [new Record(), new Record()];
    const { servers } = await bench().start(
      bench().consumer(first.handler),
      bench().consumer(second.handler, `other-${newId()}`),
    );
    const { bus, topic } = bench().harness;
    for (let round = 0; round < 10; round++) {
      const messages = range(30, round * 30).flatMap((number) =>
        range(10).map((subject) => testMessage(`subject-${subject}`, number)),
      );
      await bus.publish(topic, messages);
    }
    await until('both groups have them', () => first.count >= 3_000 && second.count >= 3_000);
    for (const record of [first, second]) {
      for (const subject of range(10)) expect(record.of(`subject-${subject}`)).toEqual(range(300));
    }
    await until('nothing is left', async () => (await servers[0]?.statuses())?.[0]?.lag === 0);
  });

  it('given messages from before the group existed, then it begins with the oldest', async () => {
    await bench().publish('a', 3);
    const record = new Record();
    await bench().start(bench().consumer(record.handler));
    await until('the old ones came', () => record.count >= 3);
    await bench().publish('a', 1, 3);
    await until('the new one came', () => record.count >= 4);
    expect(record.of('a')).toEqual(range(4));
  });

  it('given types without a handler, then they are passed over and counted as handled', async () => {
    const { bus, topic } = bench().harness;
    const record = new Record();
    const { servers } = await bench().start(bench().consumer(record.handler));
    const others = range(1_000).map((number) => testMessage('a', number, { type: 'test.other.v1' }));
    await bus.publish(topic, others);
    await bench().publish('a', 1);
    await until('the last came', () => record.count >= 1);
    await until('nothing is left', async () => (await servers[0]?.statuses())?.[0]?.lag === 0);
    expect(record.of('a')).toEqual([0]);
  });

  it('given subjects that wait, then those of a batch are handled side by side', async () => {
    let arrived = 0;
    const all = Promise.withResolvers<void>();
    await bench().publish('a', 1);
    await bench().publish('b', 1);
    const meet: TestHandler = async () => {
      if (++arrived === 2) all.resolve();
      await all.promise;
    };
    await bench().start(bench().consumer(meet));
    await all.promise;
    expect(arrived).toBe(2);
  });

  it('given nothing to publish, then publishing is no error, and the bus is ready', async () => {
    const { bus, topic } = bench().harness;
    await expect(bus.publish(topic, [])).resolves.toBeUndefined();
    await expect(bus.ready()).resolves.toBeUndefined();
  });
}

function describeHandlers(bench: () => Bench): void {
  it('given a message, then the handler sees all of it, its topic, its group and the attempt', async () => {
    const { bus, topic } = bench().harness;
    const contexts: MessageContext[] = [];
    await bench().start(bench().consumer((context) => contexts.push(context)));
    const message = testMessage('a', 1);
    await bus.publish(topic, [message]);
    await until('it came', () => contexts.length > 0);
    expect(contexts).toEqual([{ message, topic, group: bench().group, attempt: 1 }]);
  });

  it('given two servers in one application, then each runs only the handlers of its own transport', async () => {
    const [first, second] = [new Record(), new Record()];
    const { bus, topic } = bench().harness;
    const other = { ...bench().consumer(second.handler, `other-${newId()}`) };
    await bench().start(bench().consumer(first.handler), {
      ...other,
      handlers: [['test.other.v1', second.handler]],
    });
    await bus.publish(topic, [testMessage('a', 1), testMessage('a', 2, { type: 'test.other.v1' })]);
    await bus.publish(topic, [testMessage('z', 3), testMessage('z', 4, { type: 'test.other.v1' })]);
    await until('all came', () => first.of('z').length > 0 && second.of('z').length > 0);
    expect([first.of('a'), second.of('a')]).toEqual([[1], [2]]);
  });

  it('given two handlers of one type, then both run and a failing one does not repeat the other', async () => {
    const record = new Record();
    let attempts = 0;
    const failsOnce: TestHandler = () => {
      if (++attempts === 1) throw new Error('not yet');
    };
    const consumer = bench().consumer(record.handler);
    await bench().start({ ...consumer, handlers: [...consumer.handlers, [TEST_TYPE, failsOnce]] });
    await bench().publish('a', 2);
    await until('both ran', () => attempts >= 3 && record.count >= 2);
    expect([record.of('a'), attempts]).toEqual([[0, 1], 3]);
  });

  it('given a handler that answers with an observable, then the next message waits for its end', async () => {
    const steps: string[] = [];
    const slow: TestHandler = ({ message }) =>
      defer(() => {
        steps.push(`begin ${numberOf(message)}`);
        return timer(5).pipe(mergeMap(() => of(steps.push(`end ${numberOf(message)}`))));
      });
    await bench().start(bench().consumer(slow));
    await bench().publish('a', 2);
    await until('both ended', () => steps.length >= 4);
    expect(steps).toEqual(['begin 0', 'end 0', 'begin 1', 'end 1']);
  });
}
