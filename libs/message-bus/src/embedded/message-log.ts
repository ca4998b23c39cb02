import { extname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Worker } from 'node:worker_threads';
import type { Message } from '#contracts';
import { type Clock, unavailable } from '#kernel';
import type { LogReply, LogRequest } from './message-log.worker.js';

const SCHEMA = `
  pragma journal_mode = wal;
  create table if not exists topic (name text primary key, head integer not null) strict, without rowid;
  create table if not exists message (
    topic text not null, offset integer not null, at integer not null, type text not null, body text not null,
    primary key (topic, offset)
  ) strict, without rowid;
  create table if not exists consumer (
    group_name text not null, topic text not null, offset integer not null, primary key (group_name, topic)
  ) strict, without rowid;
`;

/** The most offsets that one read looks at, so that passing messages over never holds up the event loop. */
const READ_WINDOW = 2_048;
const BATCH_SIZE = 256;
/** Beyond these the disk is too slow for what is asked of it. */
const MAX_PENDING = 10_000;
const RETENTION_MS = 24 * 60 * 60 * 1_000;

type Unnumbered<Request> = Request extends unknown ? Omit<Request, 'id'> : never;

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

/**
 * A log of topics in one SQLite file; offsets grow by one in each topic, from 1. One process a file. What is
 * appended is durable; offsets are saved without a sync. Messages are kept until every known group is past
 * them and they are 24 h old; those of a topic that nobody consumes stay.
 */
export class MessageLog {
  private readonly database: DatabaseSync;
  private readonly worker: Worker;
  private readonly heads: Map<string, number>;
  private readonly pending = new Map<number, PromiseWithResolvers<void>>();
  private readonly listeners = new Set<(topic: string) => void>();
  private lastId = 0;
  private stopped: Error | undefined;

  constructor(
    file: string,
    private readonly clock: Clock,
  ) {
    this.database = new DatabaseSync(file, { timeout: 5_000 });
    this.database.exec(SCHEMA);
    const topics = this.database.prepare('select name, head from topic').all();
    this.heads = new Map(topics.map((topic) => [String(topic.name), Number(topic.head)]));
    const worker = new URL(`./message-log.worker${extname(import.meta.url)}`, import.meta.url);
    this.worker = new Worker(worker, { workerData: { file, retentionMs: RETENTION_MS } });
    this.worker.on('message', (reply: LogReply) => this.settle(reply));
    this.worker.on('error', (error) => this.stop(error));
    this.worker.on('exit', () => this.stop(new Error('the writer of the message log has ended')));
  }

  async append(topic: string, messages: readonly Message<object>[]): Promise<void> {
    if (messages.length === 0) return;
    const rows = messages.map((message) => ({ type: message.type, body: JSON.stringify(message) }));
    await this.ask({ kind: 'append', topic, at: this.clock.now().getTime(), rows });
  }

  /** An offset never moves back. The first one makes the group known. */
  saveOffset(group: string, topic: string, offset: number): Promise<void> {
    return this.ask({ kind: 'save', group, topic, offset });
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

  async ready(): Promise<void> {
    await this.ask({ kind: 'check' });
  }

  async close(): Promise<void> {
    if (this.stopped) return;
    const exit = new Promise((resolve) => this.worker.once('exit', resolve));
    const closed = this.ask({ kind: 'close' });
    this.stopped = new Error('the message log is closed');
    await closed;
    await exit;
    this.database.close();
  }

  private ask(request: Unnumbered<LogRequest>): Promise<void> {
    if (this.stopped)
      return Promise.reject(unavailable('the message bus has stopped', { cause: this.stopped }));
    if (this.pending.size >= MAX_PENDING && request.kind !== 'close') {
      return Promise.reject(unavailable('too many messages are waiting for the message bus'));
    }
    const id = ++this.lastId;
    const answer = Promise.withResolvers<void>();
    this.pending.set(id, answer);
    this.worker.postMessage({ ...request, id });
    return answer.promise;
  }

  private settle({ ids, heads, error }: LogReply): void {
    for (const [topic, head] of heads) this.heads.set(topic, head);
    for (const id of ids) {
      const answer = this.pending.get(id);
      this.pending.delete(id);
      if (error) answer?.reject(unavailable('the message bus could not store it', { cause: error }));
      else answer?.resolve();
    }
    for (const topic of heads.keys()) for (const listener of this.listeners) listener(topic);
  }

  private stop(reason: Error): void {
    this.stopped ??= reason;
    this.settle({ ids: [...this.pending.keys()], heads: new Map(), error: this.stopped });
  }
}
