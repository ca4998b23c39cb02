import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { TenantryError } from '#kernel';
import {
  type ConsumingApp,
  numberOf,
  startConsumers,
  TEST_TYPE,
  type TestHandler,
  testMessage,
  until,
} from './message-bus-app.js';
import type { MessageBusFactory, MessageBusHarness } from './message-bus-bench.js';

const SUBJECTS = ['a', 'b', 'c', 'd'];
const GROUPS = ['first', 'second'];

type Step =
  | { kind: 'publish'; subjects: string[] }
  | { kind: 'fail'; subject: string; times: number }
  | { kind: 'restart' }
  | { kind: 'crash' };

const subject = fc.constantFrom(...SUBJECTS);
const publish = fc.array(subject, { minLength: 1, maxLength: 40 });
const stepArbitrary = (canCrash: boolean): fc.Arbitrary<Step> =>
  fc.oneof(
    { weight: 6, arbitrary: publish.map((subjects): Step => ({ kind: 'publish', subjects })) },
    {
      weight: 3,
      arbitrary: fc
        .record({ subject, times: fc.integer({ min: 1, max: 3 }) })
        .map((fail): Step => ({ kind: 'fail', ...fail })),
    },
    { weight: 1, arbitrary: fc.constant<Step>({ kind: 'restart' }) },
    { weight: canCrash ? 1 : 0, arbitrary: fc.constant<Step>({ kind: 'crash' }) },
  );

/** The model: for each group and subject the highest number handled so far. */
class World {
  private readonly published = new Map<string, number>();
  private readonly handled = new Map<string, number>();
  private readonly failures = new Map<string, number>();
  private readonly failed = new Map<string, number>();
  private apps: ConsumingApp[] = [];
  private epoch = 0;

  constructor(private readonly harness: MessageBusHarness) {}

  async run(step: Step): Promise<void> {
    if (step.kind === 'publish') await this.publish(step.subjects);
    else if (step.kind === 'fail') this.failures.set(step.subject, step.times);
    else await this.restart(step.kind);
  }

  async start(): Promise<void> {
    const { topic, bus } = this.harness;
    const epoch = ++this.epoch;
    const consumers = GROUPS.map((group) => {
      const handler = this.handlerOf(group, epoch);
      return { group: `${group}-${topic}`, topics: [topic], handlers: [[TEST_TYPE, handler] as const] };
    });
    this.apps.push(await startConsumers(bus, consumers));
  }

  /** Everything that was published has been handled in each group. */
  done(): boolean {
    return GROUPS.every((group) =>
      SUBJECTS.every((name) => this.handled.get(`${group} ${name}`) === this.published.get(name)),
    );
  }

  async stop(): Promise<void> {
    for (const { app } of this.apps) await app.close();
    this.apps = [];
  }

  /** What the handlers saw that the contract forbids. */
  readonly violations: string[] = [];

  private handlerOf(group: string, epoch: number): TestHandler {
    return async ({ message }) => {
      if (numberOf(message) % 3 === 0) await nextTurn();
      if (epoch !== this.epoch) return;
      const key = `${group} ${message.subject}`;
      this.failAsWanted(message.subject, `${key} ${numberOf(message)}`);
      const last = this.handled.get(key) ?? 0;
      if (numberOf(message) > last + 1) this.violations.push(`${key}: ${numberOf(message)} after ${last}`);
      this.handled.set(key, Math.max(last, numberOf(message)));
    };
  }

  /** Two steps may want failures of one message: it never fails so often that it becomes a dead letter. */
  private failAsWanted(subject: string, delivery: string): void {
    const left = this.failures.get(subject) ?? 0;
    const failed = this.failed.get(delivery) ?? 0;
    if (left <= 0 || failed >= this.harness.maxAttempts - 1) return;
    this.failures.set(subject, left - 1);
    this.failed.set(delivery, failed + 1);
    throw new TenantryError('conflict', 'the model wants a failure');
  }

  private async publish(subjects: readonly string[]): Promise<void> {
    const messages = subjects.map((name) => {
      const number = (this.published.get(name) ?? 0) + 1;
      this.published.set(name, number);
      return testMessage(name, number);
    });
    await this.harness.bus.publish(this.harness.topic, messages);
  }

  private async restart(kind: 'restart' | 'crash'): Promise<void> {
    if (kind === 'restart') {
      await this.stop();
      this.harness.bus = await this.harness.reopen();
    } else {
      // From here on, what the crashed one still does counts for nothing.
      this.epoch++;
      const bus = await this.harness.crash?.();
      if (bus) this.harness.bus = bus;
    }
    await this.start();
  }
}

export async function checkRandomHistories(
  factory: MessageBusFactory,
  canCrash: boolean,
  numRuns: number,
): Promise<void> {
  const steps = fc.array(stepArbitrary(canCrash), { minLength: 5, maxLength: 25 });
  await fc.assert(
    fc.asyncProperty(steps, async (history) => {
      const harness = await factory();
      const world = new World(harness);
      try {
        await world.start();
        for (const step of history) await world.run(step);
        await until('all is handled', () => world.done());
        if (world.violations.length > 0) throw new Error(world.violations.join('\n'));
      } finally {
        await world.stop();
        await harness.dispose();
      }
    }),
    { numRuns, endOnFailure: true },
  );
}
