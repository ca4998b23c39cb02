import { once } from 'node:events';
import type { Consumer } from 'kafkajs';
import { type DeadLettered, type Message } from '#contracts';
import { framesOf } from '../bus-logger.js';
import { Dispatcher } from '../dispatcher.js';
import { EventServer } from '../event-server.js';
import type { BusServer, ConsumerOptions, ConsumerStatus } from '../message-bus.js';
import { backOff, errorName } from '../retry-policy.js';
import { handleBatch, type Origin } from './batch-handler.js';
import { BusRefusal, refusalOf } from './bus-refusal.js';
import { ORIGIN_HEADERS, toRecord } from './cloud-event.js';
import type { KafkaConnection } from './kafka-connection.js';
import type { KafkaBusOptions, KafkaParts } from './kafka-options.js';
import { Lag } from './lag.js';
import type { Refusals } from './refusals.js';
import type { Sender } from './sender.js';
import type { Topics } from './topics.js';
import { within } from './within.js';

export interface KafkaServerParts extends KafkaParts {
  connection: KafkaConnection;
  topics: Topics;
  sender: Sender;
  refusals: Refusals;
  settings: KafkaBusOptions;
}

/** The least that brokers allow by default: after an outage a group waits this long for its members of before. */
const SESSION_TIMEOUT_MS = 6_000;
const MAX_RESTART_DELAY_MS = 1_000;
const MAX_WAIT_MS = 500;
const PREPARE_WITHIN_MS = 3_000;
const SUSPICIOUS_FAILURES = 5;

/** One consumer group over Kafka as a Nest transport. */
export class KafkaServer extends EventServer implements BusServer {
  private readonly dispatcher: Dispatcher;
  private readonly lag: Lag;
  private readonly origins = new WeakMap<object, Origin>();
  private readonly closing = new AbortController();
  private ended: Promise<void> = Promise.resolve();
  private failures = 0;

  constructor(
    private readonly options: ConsumerOptions,
    private readonly parts: KafkaServerParts,
  ) {
    super();
    this.transportId = options.transportId;
    const { group } = options;
    this.lag = new Lag(parts.connection, group);
    this.dispatcher = new Dispatcher({
      ...parts,
      group,
      handlersOf: (message) => this.handlersOf(message),
      publisher: { publish: (topic, messages) => this.sendDeadLetters(topic, messages) },
    });
  }

  /** Fails where the brokers refuse; where they are only down it goes on, and consumes when they are back. */
  override listen(callback: (error?: unknown) => void): void {
    void this.prepare().then(
      () => {
        this.ended = this.follow();
        callback();
      },
      (error: unknown) => callback(error),
    );
  }

  /** Finishes the handlers under way, but waits for no further try, saves the offsets and leaves the group. */
  override async close(): Promise<void> {
    this.closing.abort();
    await this.ended;
  }

  async statuses(): Promise<ConsumerStatus[]> {
    const { group, topics } = this.options;
    return Promise.all(
      topics.map(async (topic) => ({
        group,
        topic,
        lag: await this.lag.of(topic),
        deadLettered: this.dispatcher.deadLettered(topic),
        state: this.closing.signal.aborted ? ('stopped' as const) : ('running' as const),
      })),
    );
  }

  private async prepare(): Promise<void> {
    try {
      await within(PREPARE_WITHIN_MS, this.lookUp());
    } catch (error) {
      const refusal = this.refusalOf(error);
      if (refusal) throw refusal;
      this.report('the message bus is not there yet', error);
    }
  }

  /** Makes the topics and asks for the group's offsets, to see that both may be used. */
  private async lookUp(): Promise<void> {
    const { topics: names, group } = this.options;
    const { connection, topics } = this.parts;
    await topics.ensure(names);
    const wanted = { groupId: connection.groupName(group), topics: names.map(connection.topicName) };
    await connection.administer((admin) => admin.fetchOffsets(wanted));
  }

  /** A consumer of kafkajs may die of any error; another one takes its place. */
  private async follow(): Promise<void> {
    const { signal } = this.closing;
    const { retry } = this.parts;
    const restart = { ...retry, maxDelayMs: Math.min(retry.maxDelayMs, MAX_RESTART_DELAY_MS) };
    while (!signal.aborted) {
      try {
        await this.consume(signal);
      } catch (error) {
        this.parts.refusals.note(this.reading, this.refusalOf(error) ?? this.suspicionOf(error) ?? error);
        this.report('the consumer failed, starting it again', error);
        await backOff(++this.failures, restart, signal);
      }
    }
  }

  private async consume(signal: AbortSignal): Promise<void> {
    const { connection, settings, topics } = this.parts;
    const consumer = connection.kafka.consumer({
      groupId: connection.groupName(this.options.group),
      sessionTimeout: settings.sessionTimeoutMs ?? SESSION_TIMEOUT_MS,
      heartbeatInterval: this.heartbeatIntervalMs,
      maxWaitTimeInMs: settings.maxWaitMs ?? MAX_WAIT_MS,
      allowAutoTopicCreation: false,
      retry: { retries: 3, initialRetryTime: 100, maxRetryTime: 1_000, restartOnFailure: async () => false },
    });
    const crashed = Promise.withResolvers<never>();
    crashed.promise.catch(() => undefined);
    consumer.on('consumer.crash', ({ payload }) => crashed.reject(payload.error));
    consumer.on('consumer.fetch', () => {
      this.failures = 0;
      this.parts.refusals.note(this.reading);
    });
    try {
      await topics.ensure(this.options.topics);
      await consumer.connect();
      await this.run(consumer, signal);
      await Promise.race([crashed.promise, signal.aborted || once(signal, 'abort')]);
    } catch (error) {
      topics.forget();
      throw error;
    } finally {
      await consumer.disconnect().catch(() => undefined);
    }
  }

  private async run(consumer: Consumer, signal: AbortSignal): Promise<void> {
    const { connection, settings } = this.parts;
    const names = new Map(this.options.topics.map((topic) => [connection.topicName(topic), topic]));
    await consumer.subscribe({ topics: [...names.keys()], fromBeginning: true });
    await consumer.run({
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: settings.partitions,
      eachBatch: (payload) =>
        handleBatch(payload, {
          group: this.options.group,
          topic: names.get(payload.batch.topic) ?? payload.batch.topic,
          dispatcher: this.dispatcher,
          isHandled: (type) => this.isHandled(type),
          origins: this.origins,
          closing: signal,
          heartbeatIntervalMs: this.heartbeatIntervalMs,
        }),
    });
  }

  private get reading(): string {
    return `read as ${this.options.group}`;
  }

  private refusalOf(error: unknown): BusRefusal | undefined {
    const topic = `read ${this.parts.connection.topicsNamed(this.options.topics)}`;
    return refusalOf(error, { topic, group: this.readingAsGroup });
  }

  /**
   * kafkajs swallows the brokers' word that the right to a group is missing, and then says that it found no
   * coordinator. That is so too while brokers start, but not for long.
   */
  private suspicionOf(error: unknown): BusRefusal | undefined {
    const isSuspicious = error instanceof Error && error.name === 'KafkaJSGroupCoordinatorNotFound';
    if (!isSuspicious || !this.parts.settings.sasl || this.failures < SUSPICIOUS_FAILURES) return undefined;
    const message = `this user may not ${this.readingAsGroup}, or the brokers have no coordinator for it`;
    return new BusRefusal('rights', message, { cause: error });
  }

  private get readingAsGroup(): string {
    return `read as the group ${this.parts.connection.groupName(this.options.group)}`;
  }

  private get heartbeatIntervalMs(): number {
    return Math.floor((this.parts.settings.sessionTimeoutMs ?? SESSION_TIMEOUT_MS) / 10);
  }

  /** With headers that tell where the message came from, so that it can be looked up and sent again. */
  private async sendDeadLetters(topic: string, messages: readonly Message<object>[]): Promise<void> {
    const records = messages.map((message) => {
      const letter = message.data as DeadLettered;
      const origin = this.origins.get(letter.message);
      return toRecord(message, {
        [ORIGIN_HEADERS.topic]: letter.topic,
        [ORIGIN_HEADERS.group]: letter.group,
        [ORIGIN_HEADERS.error]: letter.error,
        [ORIGIN_HEADERS.attempts]: String(letter.attempts),
        ...(origin && {
          [ORIGIN_HEADERS.partition]: String(origin.partition),
          [ORIGIN_HEADERS.offset]: origin.offset,
          [ORIGIN_HEADERS.readable]: String(origin.readable),
        }),
      });
    });
    await this.parts.sender.send(topic, records);
  }

  private report(message: string, error: unknown): void {
    const { group } = this.options;
    const reason = error instanceof Error ? error.message : undefined;
    this.parts.logger.error({ message, group, error: errorName(error), reason, frames: framesOf(error) });
  }
}
