import type { Admin, Consumer, EachBatchPayload, KafkaMessage } from 'kafkajs';
import { type DeadLettered, MESSAGE_TYPES, type Message, TOPICS } from '#contracts';
import { type Clock, illegalState, newId, systemClock } from '#kernel';
import { refusalOf } from './bus-refusal.js';
import { header, ORIGIN_HEADERS, REPLAY_GROUP_HEADER, toMessage, toRecord } from './cloud-event.js';
import { KafkaConnection } from './kafka-connection.js';
import type { KafkaSettings } from './kafka-options.js';
import { Refusals } from './refusals.js';
import { Sender } from './sender.js';
import { Topics } from './topics.js';

export interface StoredDeadLetter {
  /** The same when the same message is given up again. */
  id: string;
  time: string;
  letter: DeadLettered;
  /** `topic/partition/offset` of the message that was given up; empty where it is not known. */
  origin: string;
  /** Sent again since it was last given up. */
  replayed: boolean;
  /** False for what was no message: it can't be sent again. */
  readable: boolean;
}

/** Stands in the dead-letter topic after a letter whose message was sent again; its causation id names the letter. */
const REPLAYED_TYPE = 'tenantry.dead-letter.replayed.v1';
const SOURCE = '/tenantry/dead-letters';

/** The dead letters of a deployment, for its operator. Throws BusRefusal, or else what kafkajs throws. */
export class KafkaDeadLetters {
  private readonly connection: KafkaConnection;
  private readonly sender: Sender;

  constructor(
    settings: KafkaSettings,
    private readonly clock: Clock = systemClock,
  ) {
    this.connection = new KafkaConnection(settings);
    const topics = new Topics(this.connection, settings);
    this.sender = new Sender(this.connection, topics, new Refusals(() => undefined));
  }

  /** All that the topic holds at the moment of the call, oldest first. */
  async list(): Promise<StoredDeadLetter[]> {
    const letters = new Map<string, StoredDeadLetter>();
    await this.readAll((record) => apply(letters, record)).catch((error: unknown) => {
      throw refusalOf(error) ?? error;
    });
    return [...letters.values()].sort((one, other) => one.time.localeCompare(other.time));
  }

  /** Sends the message again, for the group alone that gave it up. Resolves when that is durable. */
  async replay({ id, letter, readable }: StoredDeadLetter): Promise<void> {
    if (!readable) throw illegalState('what was no message cannot be sent again');
    const message = letter.message as unknown as Message<object>;
    await this.sender.send(letter.topic, [toRecord(message, { [REPLAY_GROUP_HEADER]: letter.group })]);
    const replayed = toRecord({
      id: newId(),
      type: REPLAYED_TYPE,
      source: SOURCE,
      // The subject of the letter is its message's, so that both stand in one partition, in order.
      subject: message.subject,
      time: this.clock.now().toISOString(),
      correlationId: message.correlationId,
      causationId: id,
      data: {},
    });
    await this.sender.send(TOPICS.deadLetter, [replayed]);
  }

  async close(): Promise<void> {
    await this.sender.close();
    await this.connection.close();
  }

  private async readAll(take: (record: KafkaMessage) => void): Promise<void> {
    const { connection } = this;
    const topic = connection.topicName(TOPICS.deadLetter);
    const open = await connection.administer((admin) => unreadPartitions(admin, topic));
    if (open.size === 0) return;
    const groupId = connection.groupName(`dead-letters-${newId()}`);
    const consumer = connection.kafka.consumer({
      groupId,
      allowAutoTopicCreation: false,
      maxWaitTimeInMs: 200,
    });
    try {
      await readUntil({ consumer, topic, open, take });
    } finally {
      await consumer.disconnect();
      await connection.administer((admin) => admin.deleteGroups([groupId])).catch(() => undefined);
    }
  }
}

/** The offset at which each partition that holds something ends. */
async function unreadPartitions(admin: Admin, topic: string): Promise<Map<number, number>> {
  if (!(await admin.listTopics()).includes(topic)) return new Map();
  const offsets = await admin.fetchTopicOffsets(topic);
  const filled = offsets.filter(({ low, high }) => Number(high) > Number(low));
  return new Map(filled.map(({ partition, high }) => [partition, Number(high)]));
}

async function readUntil(reading: {
  consumer: Consumer;
  topic: string;
  open: Map<number, number>;
  take: (record: KafkaMessage) => void;
}): Promise<void> {
  const { consumer, topic, open, take } = reading;
  const end = Promise.withResolvers<void>();
  consumer.on('consumer.crash', ({ payload }) => end.reject(payload.error));
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch }: EachBatchPayload) => {
      for (const record of batch.messages) take(record);
      if (Number(batch.lastOffset()) + 1 >= (open.get(batch.partition) ?? 0)) open.delete(batch.partition);
      if (open.size === 0) end.resolve();
    },
  });
  await end.promise;
}

function apply(letters: Map<string, StoredDeadLetter>, record: KafkaMessage): void {
  const message = toMessage(record);
  const told = letters.get(message?.causationId ?? '');
  if (message?.type === REPLAYED_TYPE && told) told.replayed = true;
  if (message?.type !== MESSAGE_TYPES.deadLettered) return;
  const { headers } = record;
  const place = [ORIGIN_HEADERS.topic, ORIGIN_HEADERS.partition, ORIGIN_HEADERS.offset].map((name) =>
    header(headers, name),
  );
  letters.set(message.id, {
    id: message.id,
    time: message.time,
    letter: message.data as DeadLettered,
    origin: place.includes(undefined) ? '' : place.join('/'),
    replayed: false,
    readable: header(headers, ORIGIN_HEADERS.readable) !== 'false',
  });
}
