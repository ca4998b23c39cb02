import { DatabaseSync } from 'node:sqlite';
import type { Message } from '#contracts';
import type { Clock } from '#kernel';
import type { MessageRow } from './message-file.js';

/** The most offsets that one read looks at, so that passing messages over never holds up the event loop. */
const READ_WINDOW = 2_048;
const BATCH_SIZE = 256;

/** The thread that writes the bus's file. */
export interface MessageWriter {
  /** Resolves when they are durable. `at` is milliseconds since the epoch. */
  publish(topic: string, at: number, rows: readonly MessageRow[]): Promise<void>;
  saveOffset(group: string, topic: string, offset: number): Promise<void>;
  /** Rejects with the reason if it can't take a message just now. */
  ready(): Promise<void>;
  /** Calls back with each topic that has grown and its last offset, before `publish` resolves. */
  onGrowth(listener: (topic: string, head: number) => void): void;
}

export interface MessageBatch {
  messages: Message<object>[];
  /** The offset of each message. */
  offsets: number[];
  /** Everything up to and including this offset has been looked at. */
  upTo: number;
}

export interface BatchReader {
  read(after: number): MessageBatch;
}

/** A log of topics, as consumers on this thread read it. */
export class MessageLog {
  private readonly database: DatabaseSync;
  private readonly heads: Map<string, number>;
  private readonly listeners = new Set<(topic: string) => void>();

  /** `file` is there: its writer has made it. */
  constructor(
    file: string,
    private readonly writer: MessageWriter,
    private readonly clock: Clock,
  ) {
    this.database = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
    const topics = this.database.prepare('select name, head from topic').all();
    this.heads = new Map(topics.map((topic) => [String(topic.name), Number(topic.head)]));
    writer.onGrowth((topic, head) => {
      this.heads.set(topic, head);
      for (const listener of this.listeners) listener(topic);
    });
  }

  async append(topic: string, messages: readonly Message<object>[]): Promise<void> {
    if (messages.length === 0) return;
    const rows = messages.map((message) => ({ type: message.type, body: JSON.stringify(message) }));
    await this.writer.publish(topic, this.clock.now().getTime(), rows);
  }

  saveOffset(group: string, topic: string, offset: number): Promise<void> {
    return this.writer.saveOffset(group, topic, offset);
  }

  /** 0 for a group that is new. */
  savedOffset(group: string, topic: string): number {
    const row = this.database
      .prepare('select offset from consumer where group_name = ? and topic = ?')
      .get(group, topic);
    return Number(row?.offset ?? 0);
  }

  /** The offset of the topic's last message; 0 while it is empty. */
  head(topic: string): number {
    return this.heads.get(topic) ?? 0;
  }

  /** Reads the messages of some types, oldest first, at most 256 at once; the others are passed over. */
  reader(topic: string, types: readonly string[]): BatchReader {
    const select = this.database.prepare(
      `select offset, body from message where topic = ? and offset > ? and offset <= ?
       and type in (${types.map(() => '?').join()}) order by offset limit ${BATCH_SIZE}`,
    );
    return {
      read: (after) => {
        const head = this.head(topic);
        if (types.length === 0 || head <= after)
          return { messages: [], offsets: [], upTo: Math.max(head, after) };
        const windowEnd = Math.min(head, after + READ_WINDOW);
        const rows = select.all(topic, after, windowEnd, ...types);
        const offsets = rows.map((row) => Number(row.offset));
        const messages = rows.map((row) => JSON.parse(String(row.body)) as Message<object>);
        const upTo = rows.length === BATCH_SIZE ? (offsets.at(-1) ?? windowEnd) : windowEnd;
        return { messages, offsets, upTo };
      },
    };
  }

  /** Calls back with each topic that has grown; answers how to stop that. */
  onAppend(listener: (topic: string) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  ready(): Promise<void> {
    return this.writer.ready();
  }

  close(): void {
    if (this.database.isOpen) this.database.close();
  }
}
