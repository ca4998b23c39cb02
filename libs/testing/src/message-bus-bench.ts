import { newId } from '#kernel';
import type { MessageBus } from '#message-bus';
import {
  type ConsumingApp,
  numberOf,
  startConsumers,
  TEST_TYPE,
  type TestConsumer,
  type TestHandler,
  testMessage,
} from './message-bus-app.js';

/** One bus over storage of its own, made anew for each test. */
export interface MessageBusHarness {
  bus: MessageBus;
  /** A topic that nothing has been published to yet. */
  topic: string;
  /** Tries of a message that keeps failing. */
  maxAttempts: number;
  /** Closes the bus and opens it again over the same storage. */
  reopen(): Promise<MessageBus>;
  /**
   * Opens a bus over what the storage holds at the moment of the call, as a killed process would leave it;
   * the bus that was open goes on without effect on the new one, and is closed by `dispose`.
   */
  crash?(): Promise<MessageBus>;
  dispose(): Promise<void>;
}

export type MessageBusFactory = () => Promise<MessageBusHarness>;

/** What one test of the contract works with. */
export class Bench {
  readonly group = `group-${newId()}`;
  private readonly apps: ConsumingApp[] = [];

  constructor(readonly harness: MessageBusHarness) {}

  consumer(handler: TestHandler, group = this.group): TestConsumer {
    return { group, topics: [this.harness.topic], handlers: [[TEST_TYPE, handler]] };
  }

  async start(...consumers: TestConsumer[]): Promise<ConsumingApp> {
    const app = await startConsumers(this.harness.bus, consumers);
    this.apps.push(app);
    return app;
  }

  /** Publishes messages of one subject, numbered from `from`, in one call. */
  async publish(subject: string, count: number, from = 0): Promise<void> {
    const messages = Array.from({ length: count }, (_, index) => testMessage(subject, from + index));
    await this.harness.bus.publish(this.harness.topic, messages);
  }

  async dispose(): Promise<void> {
    for (const { app } of this.apps) await app.close();
    await this.harness.dispose();
  }
}

/** Handled messages by subject, in order. */
export class Record {
  private readonly numbers = new Map<string, number[]>();
  count = 0;

  readonly handler: TestHandler = ({ message }) => {
    this.count++;
    const known = this.numbers.get(message.subject);
    if (known) known.push(numberOf(message));
    else this.numbers.set(message.subject, [numberOf(message)]);
  };

  of(subject: string): number[] {
    return this.numbers.get(subject) ?? [];
  }
}

export const range = (count: number, from = 0): number[] =>
  Array.from({ length: count }, (_, index) => from + index);
