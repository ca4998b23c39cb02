// Runs in a worker thread, so that the event loop never waits on the disk. All writes of the bus go through it.
import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';

export interface AppendRequest {
  kind: 'append';
  id: number;
  topic: string;
  /** Milliseconds since the epoch. */
  at: number;
  rows: readonly { type: string; body: string }[];
}

export interface SaveRequest {
  kind: 'save';
  id: number;
  group: string;
  topic: string;
  offset: number;
}

export type LogRequest = AppendRequest | SaveRequest | { kind: 'check' | 'close'; id: number };

/** Answers every request of one commit. */
export interface LogReply {
  ids: number[];
  /** The last offset of each topic that grew. */
  heads: Map<string, number>;
  error?: unknown;
}

const { file, retentionMs } = workerData as { file: string; retentionMs: number };
const PURGE_EVERY_MESSAGES = 1_000;
/** More than arrive in between, so that the backlog shrinks. */
const PURGE_OFFSETS = 2_000;
/** SQLite's primary result code of a failed read, write or sync of a file. */
const SQLITE_IOERR = 10;

const database = new DatabaseSync(file, { timeout: 5_000 });
const nextHead = database.prepare(
  `insert into topic values (?, ?) on conflict (name) do update set head = head + excluded.head returning head`,
);
const insertMessage = database.prepare('insert into message values (?, ?, ?, ?, ?)');
const saveOffset = database.prepare(
  `insert into consumer values (?, ?, ?)
   on conflict (group_name, topic) do update set offset = max(offset, excluded.offset)`,
);
const purge = database.prepare(
  `delete from message where topic = :topic and at < :before
     and offset <= (select min(offset) from consumer where topic = :topic)
     and offset <= (select min(offset) from message where topic = :topic) + ${PURGE_OFFSETS}`,
);

let waiting: LogRequest[] = [];
let sinceLastPurge = PURGE_EVERY_MESSAGES;
let fatal: unknown;

function append(request: AppendRequest, heads: Map<string, number>): void {
  const { topic, at, rows } = request;
  const head = nextHead.get(topic, rows.length)?.head as number;
  rows.forEach((row, index) => {
    insertMessage.run(topic, head - rows.length + 1 + index, at, row.type, row.body);
  });
  heads.set(topic, head);
  sinceLastPurge += rows.length;
  if (sinceLastPurge < PURGE_EVERY_MESSAGES) return;
  sinceLastPurge = 0;
  purge.run({ topic, before: at - retentionMs });
}

/** One transaction for everything that waits. Saved offsets alone are not synced: a lost one means a repeat. */
function commit(requests: readonly LogRequest[]): Map<string, number> {
  const heads = new Map<string, number>();
  const synchronous = requests.some(({ kind }) => kind === 'append') ? 'full' : 'normal';
  database.exec(`pragma synchronous = ${synchronous}; begin immediate`);
  try {
    for (const request of requests) {
      if (request.kind === 'append') append(request, heads);
      if (request.kind === 'save') saveOffset.run(request.group, request.topic, request.offset);
    }
    database.exec('commit');
  } catch (error) {
    if (database.isTransaction) database.exec('rollback');
    throw error;
  }
  return heads;
}

function flush(): void {
  const requests = waiting;
  waiting = [];
  const ids = requests.map(({ id }) => id);
  try {
    // After a failed sync nobody knows what the disk holds, so nothing is acknowledged any more (PostgreSQL's
    // choice since 2018).
    if (fatal) throw fatal;
    const heads = commit(requests);
    parentPort?.postMessage({ ids, heads } satisfies LogReply);
  } catch (error) {
    if ((Number((error as { errcode?: number }).errcode) & 0xff) === SQLITE_IOERR) fatal = error;
    parentPort?.postMessage({ ids, heads: new Map(), error } satisfies LogReply);
  }
  if (requests.some(({ kind }) => kind === 'close')) {
    database.close();
    parentPort?.close();
  }
}

parentPort?.on('message', (request: LogRequest) => {
  if (waiting.push(request) === 1) setImmediate(flush);
});
