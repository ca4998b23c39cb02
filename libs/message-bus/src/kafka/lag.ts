import type { KafkaConnection } from './kafka-connection.js';
import { within } from './within.js';

const ANSWER_WITHIN_MS = 1_000;

/** Messages that a group has not handled yet: the ends of the partitions less the group's saved offsets. */
export class Lag {
  private readonly last = new Map<string, number>();

  constructor(
    private readonly connection: KafkaConnection,
    private readonly group: string,
  ) {}

  /** The last figure known where the brokers do not answer in time. */
  async of(topic: string): Promise<number> {
    const known = this.last.get(topic) ?? 0;
    return within(ANSWER_WITHIN_MS, this.ask(topic)).catch(() => known);
  }

  private async ask(topic: string): Promise<number> {
    const name = this.connection.topicName(topic);
    const groupId = this.connection.groupName(this.group);
    const [ends, saved] = await this.connection.administer((admin) =>
      Promise.all([admin.fetchTopicOffsets(name), admin.fetchOffsets({ groupId, topics: [name] })]),
    );
    const offsets = new Map(
      saved.flatMap(({ partitions }) => partitions.map((p) => [p.partition, p.offset])),
    );
    const lag = ends.reduce((sum, { partition, high, low }) => {
      const next = Math.max(Number(low), Number(offsets.get(partition) ?? -1));
      return sum + Math.max(0, Number(high) - next);
    }, 0);
    this.last.set(topic, lag);
    return lag;
  }
}
