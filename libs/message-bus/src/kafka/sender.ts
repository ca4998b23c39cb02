import { Partitioners, type Producer } from 'kafkajs';
import { unavailable } from '#kernel';
import { refusalOf } from './bus-refusal.js';
import type { OutgoingRecord } from './cloud-event.js';
import type { KafkaConnection } from './kafka-connection.js';
import type { Refusals } from './refusals.js';
import type { Topics } from './topics.js';

interface Waiting {
  topic: string;
  records: readonly OutgoingRecord[];
  sent: PromiseWithResolvers<void>;
}

const MAX_RECORDS = 1_000;
/** Beyond these the brokers are too slow for what is published, or away. */
const MAX_WAITING = 10_000;
const ALL_IN_SYNC = -1;

/** There is no such thing: brokers look at the right to write first, then refuse it and store nothing. */
const NO_ACKS = 2;
const PROBE = { key: '', value: null, headers: { ce_type: 'tenantry.probe.v1' } };

/**
 * One loop that sends what waits, one request after the other, each once: what fails is published again as a whole by
 * its caller. After a failure the producer is given up, and its connections with it.
 */
export class Sender {
  private waiting: Waiting[] = [];
  private sending = false;
  private producer: Producer | undefined;
  private idle: Promise<void> = Promise.resolve();
  private closed = false;

  constructor(
    private readonly connection: KafkaConnection,
    private readonly topics: Topics,
    private readonly refusals: Refusals,
  ) {}

  /** Resolves when all copies in step have them; rejects with `unavailable`. */
  send(topic: string, records: readonly OutgoingRecord[]): Promise<void> {
    if (records.length === 0) return Promise.resolve();
    if (this.closed) return Promise.reject(unavailable('the message bus is closed'));
    if (this.waiting.length >= MAX_WAITING) {
      return Promise.reject(unavailable('too many messages are waiting for the message bus'));
    }
    const sent = Promise.withResolvers<void>();
    this.waiting.push({ topic, records, sent });
    if (!this.sending) this.idle = this.run();
    return sent.promise;
  }

  /** Throws what kafkajs throws. */
  async connect(): Promise<Producer> {
    if (this.producer) return this.producer;
    const producer = this.connection.kafka.producer({
      // kafkajs's idempotent producer insists on retries, and its retries lose messages: see ADR 0010.
      idempotent: false,
      maxInFlightRequests: 1,
      createPartitioner: Partitioners.DefaultPartitioner,
      retry: { retries: 0 },
    });
    try {
      await producer.connect();
    } catch (error) {
      // It would seem to send all the same.
      await producer.disconnect().catch(() => undefined);
      throw error;
    }
    this.producer = producer;
    return producer;
  }

  /** Throws a BusRefusal that names the first topic which this user may not write to; nothing is stored. */
  async demandRights(topics: readonly string[]): Promise<void> {
    const producer = await this.connect();
    for (const topic of topics) {
      const name = this.connection.topicName(topic);
      try {
        await producer.send({ topic: name, acks: NO_ACKS, messages: [PROBE] });
      } catch (error) {
        const writing = `write to ${this.connection.topicsNamed([topic])}`;
        const refusal = refusalOf(error, { topic: writing, group: writing });
        // All else, as a topic without a leader, tells nothing of rights, and shows again when a message is sent.
        if (refusal) throw refusal;
      }
    }
  }

  /** Sends what waits first. */
  async close(): Promise<void> {
    this.closed = true;
    await this.idle;
    await this.discardProducer();
  }

  private async run(): Promise<void> {
    this.sending = true;
    while (this.waiting.length > 0) {
      const taken = this.take();
      try {
        await this.store(taken);
        for (const { topic, sent } of taken) {
          this.refusals.note(`write ${topic}`);
          sent.resolve();
        }
      } catch (error) {
        const cause = await this.explain(error, taken);
        const failure = unavailable('the message bus could not store it', { cause });
        for (const { topic, sent } of taken) {
          this.refusals.note(`write ${topic}`, cause);
          sent.reject(failure);
        }
        this.topics.forget();
        await this.discardProducer();
      }
    }
    this.sending = false;
  }

  private take(): Waiting[] {
    let count = 0;
    const enough = this.waiting.findIndex(({ records }) => {
      count += records.length;
      return count >= MAX_RECORDS;
    });
    return this.waiting.splice(0, enough === -1 ? this.waiting.length : enough + 1);
  }

  private async store(taken: readonly Waiting[]): Promise<void> {
    const byTopic = Map.groupBy(taken, ({ topic }) => topic);
    await this.topics.ensure([...byTopic.keys()]);
    const producer = await this.connect();
    await producer.sendBatch({
      acks: ALL_IN_SYNC,
      topicMessages: [...byTopic].map(([topic, parts]) => ({
        topic: this.connection.topicName(topic),
        messages: parts.flatMap(({ records }) => records),
      })),
    });
  }

  /** The client does not say which of the topics was refused. */
  private async explain(error: unknown, taken: readonly Waiting[]): Promise<unknown> {
    if (refusalOf(error)?.part !== 'rights') return error;
    const topics = [...new Set(taken.map(({ topic }) => topic))];
    await this.discardProducer();
    return this.demandRights(topics).then(
      () => error,
      (refusal: unknown) => refusal,
    );
  }

  private async discardProducer(): Promise<void> {
    const producer = this.producer;
    this.producer = undefined;
    await producer?.disconnect().catch(() => undefined);
  }
}
