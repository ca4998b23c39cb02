import { Logger } from '@nestjs/common';
import { type Message, TOPICS } from '#contracts';
import { systemClock, unavailable } from '#kernel';
import type { BusServer, ConsumerOptions, MessageBus } from '../message-bus.js';
import { DEFAULT_RETRY_POLICY, errorName } from '../retry-policy.js';
import { refusalOf } from './bus-refusal.js';
import { toRecord } from './cloud-event.js';
import { KafkaConnection } from './kafka-connection.js';
import type { KafkaBusOptions } from './kafka-options.js';
import { KafkaServer, type KafkaServerParts } from './kafka-server.js';
import { Refusals } from './refusals.js';
import { Sender } from './sender.js';
import { Topics } from './topics.js';
import { within } from './within.js';

const READY_WITHIN_MS = 2_000;
const START_WITHIN_MS = 5_000;

/** The bus of a cluster: Kafka. Messages are CloudEvents in binary mode, with their subject as the key. */
export class KafkaBus implements MessageBus {
  private readonly servers = new Map<string, KafkaServer>();

  private constructor(private readonly parts: KafkaServerParts) {}

  /** Makes the topics. Throws BusRefusal; brokers that are only down are no error, but waited for at each use. */
  static async open(options: KafkaBusOptions): Promise<KafkaBus> {
    const { clock = systemClock, logger = new Logger('MessageBus'), retry = DEFAULT_RETRY_POLICY } = options;
    const connection = new KafkaConnection(options);
    const topics = new Topics(connection, options);
    const refusals = new Refusals(options.onRefused ?? (({ message }) => logger.error({ message })));
    const sender = new Sender(connection, topics, refusals);
    const bus = new KafkaBus({
      connection,
      topics,
      sender,
      refusals,
      settings: options,
      clock,
      logger,
      retry,
    });
    const all = Object.values(TOPICS);
    try {
      await within(START_WITHIN_MS, topics.ensure(all));
      await within(START_WITHIN_MS, sender.demandRights(all));
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal) {
        await bus.close();
        throw refusal;
      }
      logger.warn({ message: 'the message bus is not there yet', error: errorName(error) });
    }
    return bus;
  }

  publish(topic: string, messages: readonly Message<object>[]): Promise<void> {
    return this.parts.sender.send(
      topic,
      messages.map((message) => toRecord(message)),
    );
  }

  /** One server a group. */
  consumer(options: ConsumerOptions): BusServer {
    if (this.servers.has(options.group)) throw new Error(`the group ${options.group} is consumed already`);
    const server = new KafkaServer(options, this.parts);
    this.servers.set(options.group, server);
    return server;
  }

  async ready(): Promise<void> {
    try {
      await within(
        READY_WITHIN_MS,
        this.parts.connection.administer((admin) => admin.describeCluster()),
      );
    } catch (cause) {
      throw unavailable('the message bus does not answer', { cause });
    }
    this.parts.refusals.throwIfAny();
  }

  async close(): Promise<void> {
    await Promise.all([...this.servers.values()].map((server) => server.close()));
    await this.parts.sender.close();
    await this.parts.connection.close();
  }
}
