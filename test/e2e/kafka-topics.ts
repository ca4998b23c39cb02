import { Kafka, logLevel } from 'kafkajs';
import { newId } from '#kernel';

/** A record as it stands in a topic. */
export interface TopicRecord {
  key: string;
  headers: Record<string, string>;
  /** The parsed value; undefined where it is no JSON. */
  data: unknown;
}

/** All that a topic holds at the moment of the call, in order within each partition. */
export async function readTopic(brokers: string, topic: string): Promise<TopicRecord[]> {
  const kafka = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  const consumer = kafka.consumer({ groupId: `reader-${newId()}`, maxWaitTimeInMs: 100 });
  try {
    await admin.connect();
    const offsets = await admin.fetchTopicOffsets(topic);
    const open = new Map(
      offsets.filter(({ low, high }) => low !== high).map(({ partition, high }) => [partition, Number(high)]),
    );
    const records: TopicRecord[] = [];
    if (open.size === 0) return records;
    const end = Promise.withResolvers<void>();
    consumer.on('consumer.crash', ({ payload }) => end.reject(payload.error));
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch }) => {
        for (const { key, headers = {}, value } of batch.messages) {
          const texts = Object.entries(headers).map(([name, text]) => [name, String(text)]);
          records.push({ key: String(key), headers: Object.fromEntries(texts), data: parsed(value) });
        }
        if (Number(batch.lastOffset()) + 1 >= (open.get(batch.partition) ?? 0)) open.delete(batch.partition);
        if (open.size === 0) end.resolve();
      },
    });
    await end.promise;
    return records;
  } finally {
    await consumer.disconnect();
    await admin.disconnect();
  }
}

function parsed(value: Buffer | null): unknown {
  try {
    return JSON.parse(String(value));
  } catch {
    return undefined;
  }
}
