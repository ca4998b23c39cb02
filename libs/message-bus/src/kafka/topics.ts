import { setTimeout as sleep } from 'node:timers/promises';
import type { Admin } from 'kafkajs';
import { TOPICS } from '#contracts';
import { refusalOf } from './bus-refusal.js';
import type { KafkaConnection } from './kafka-connection.js';
import type { KafkaSettings } from './kafka-options.js';

const SERVED_WITHIN_MS = 3_000;
const SERVED_INTERVAL_MS = 50;
const DEAD_LETTER_RETENTION_MS = 90 * 24 * 60 * 60 * 1_000;

/** Makes the topics that are not there yet; those that are stay as they are. */
export class Topics {
  private readonly known = new Set<string>();
  private making: Promise<void> = Promise.resolve();

  constructor(
    private readonly connection: KafkaConnection,
    private readonly settings: KafkaSettings,
  ) {}

  async ensure(topics: readonly string[]): Promise<void> {
    const missing = topics.filter((topic) => !this.known.has(topic));
    if (missing.length === 0) return;
    const made = this.making.catch(() => undefined).then(() => this.make(missing));
    this.making = made.catch(() => undefined);
    await made;
  }

  /** They are looked for again at the next use. */
  forget(): void {
    this.known.clear();
  }

  private async make(topics: readonly string[]): Promise<void> {
    await this.connection.administer(async (admin) => {
      // Those that this user may not see are left out.
      const there = new Set(await admin.listTopics());
      const missing = topics.filter((topic) => !there.has(this.connection.topicName(topic)));
      if (missing.length === 0) return;
      try {
        // A topic that another process made in the meantime is no error.
        const made = missing.map((topic) => this.describe(topic));
        await admin.createTopics({ topics: made, waitForLeaders: false });
        for (const topic of missing) await untilServed(admin, this.connection.topicName(topic));
      } catch (error) {
        const topic = `see or create ${this.connection.topicsNamed(missing)}`;
        throw refusalOf(error, { topic, group: topic }) ?? error;
      }
    });
    for (const topic of topics) this.known.add(topic);
  }

  private describe(topic: string) {
    const { partitions, replicationFactor = -1, retentionMs } = this.settings;
    const keptMs =
      topic === TOPICS.deadLetter ? Math.max(retentionMs, DEAD_LETTER_RETENTION_MS) : retentionMs;
    return {
      topic: this.connection.topicName(topic),
      numPartitions: partitions,
      replicationFactor,
      configEntries: [
        { name: 'cleanup.policy', value: 'delete' },
        { name: 'retention.ms', value: String(keptMs) },
      ],
    };
  }
}

/** A topic is made before its leaders serve it, and kafkajs's own wait fails where the brokers are slow. */
async function untilServed(admin: Admin, name: string): Promise<void> {
  for (const deadline = Date.now() + SERVED_WITHIN_MS; ; await sleep(SERVED_INTERVAL_MS)) {
    try {
      await admin.fetchTopicOffsets(name);
      return;
    } catch (error) {
      if (refusalOf(error) || Date.now() > deadline) throw error;
    }
  }
}
