import { type Admin, Kafka, logLevel, type SASLOptions } from 'kafkajs';
import type { KafkaBusOptions } from './kafka-options.js';

const CONNECTION_TIMEOUT_MS = 3_000;
const REQUEST_TIMEOUT_MS = 10_000;

/** The client, and one administrative connection that is made anew after a failure. */
export class KafkaConnection {
  readonly kafka: Kafka;
  private admin: Promise<Admin> | undefined;
  private readonly prefix: string;
  private readonly groupPrefix: string;

  constructor(options: KafkaBusOptions) {
    const { brokers, clientId, ssl, sasl, socketFactory, prefix, groupPrefix = prefix } = options;
    this.prefix = prefix;
    this.groupPrefix = groupPrefix;
    this.kafka = new Kafka({
      clientId,
      brokers: [...brokers],
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      enforceRequestTimeout: true,
      // Of connecting alone; whoever uses a connection tries again, or fails soon and is tried again by its caller.
      retry: { retries: 1, initialRetryTime: 100, maxRetryTime: 500 },
      // What fails reaches our own log through the caller.
      logLevel: logLevel.NOTHING,
      ...(ssl && { ssl: ssl.ca === undefined ? true : { ca: [ssl.ca] } }),
      ...(socketFactory && { socketFactory }),
      ...(sasl && { sasl: sasl as SASLOptions }),
    });
  }

  topicName = (topic: string): string => this.prefix + topic;

  /** For people: `the topics a, b`. */
  topicsNamed = (topics: readonly string[]): string =>
    `the ${topics.length === 1 ? 'topic' : 'topics'} ${topics.map(this.topicName).join(', ')}`;

  groupName = (group: string): string => this.groupPrefix + group;

  /** Throws what kafkajs throws, after one try. */
  async administer<Result>(work: (admin: Admin) => Promise<Result>): Promise<Result> {
    this.admin ??= this.openAdmin();
    const mine = this.admin;
    try {
      return await work(await mine);
    } catch (error) {
      if (this.admin === mine) this.admin = undefined;
      await mine.then((admin) => admin.disconnect()).catch(() => undefined);
      throw error;
    }
  }

  async close(): Promise<void> {
    const admin = this.admin;
    this.admin = undefined;
    await admin?.then((open) => open.disconnect()).catch(() => undefined);
  }

  private async openAdmin(): Promise<Admin> {
    const admin = this.kafka.admin({ retry: { retries: 1, initialRetryTime: 100 } });
    await admin.connect();
    return admin;
  }
}
