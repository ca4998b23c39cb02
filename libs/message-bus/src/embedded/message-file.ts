import { DatabaseSync } from 'node:sqlite';

const SCHEMA = `
  pragma journal_mode = wal;
  pragma wal_autocheckpoint = 0;
  create table if not exists topic (name text primary key, head integer not null) strict, without rowid;
  create table if not exists message (
    topic text not null, offset integer not null, at integer not null, type text not null, body text not null,
    primary key (topic, offset)
  ) strict, without rowid;
  create table if not exists consumer (
    group_name text not null, topic text not null, offset integer not null, primary key (group_name, topic)
  ) strict, without rowid;
  create table if not exists relay (name text primary key, position integer not null) strict, without rowid;
`;
const PURGE_EVERY_MESSAGES = 1_000;
/** More than arrive in between, so that the backlog shrinks. */
const PURGE_OFFSETS = 2_000;
const RETENTION_MS = 24 * 60 * 60 * 1_000;

/** A message's type, and all of it as JSON text. */
export interface MessageRow {
  type: string;
  body: string;
}

const prepareAll = (database: DatabaseSync) => ({
  nextHead: database.prepare(
    `insert into topic values (?, ?) on conflict (name) do update set head = head + excluded.head returning head`,
  ),
  insertMessage: database.prepare('insert into message values (?, ?, ?, ?, ?)'),
  saveOffset: database.prepare(
    `insert into consumer values (?, ?, ?)
     on conflict (group_name, topic) do update set offset = max(offset, excluded.offset)`,
  ),
  purge: database.prepare(
    `delete from message where topic = :topic and at < :before
       and offset <= (select min(offset) from consumer where topic = :topic)
       and offset <= (select min(offset) from message where topic = :topic) + ${PURGE_OFFSETS}`,
  ),
  relayed: database.prepare('select position from relay where name = ?'),
  saveRelayed: database.prepare(
    'insert into relay values (?, ?) on conflict (name) do update set position = excluded.position',
  ),
  checkpoint: database.prepare('pragma wal_checkpoint(passive)'),
});

/**
 * The one writer of the bus's SQLite file: a log of topics whose offsets grow by one in each, from 1. Messages are kept
 * until every known group is past them and they are 24 h old; those of a topic that nobody consumes stay.
 */
export class MessageFile {
  readonly #database: DatabaseSync;
  readonly #statements: ReturnType<typeof prepareAll>;
  #heads = new Map<string, number>();
  #sinceLastPurge = PURGE_EVERY_MESSAGES;

  constructor(file: string) {
    this.#database = new DatabaseSync(file, { timeout: 5_000 });
    this.#database.exec(SCHEMA);
    this.#statements = prepareAll(this.#database);
  }

  /** One transaction; without `durable` a power failure may lose it. Answers the last offset of each topic that grew. */
  transaction(durable: boolean, work: () => void): Map<string, number> {
    this.#heads = new Map();
    this.#database.exec(`pragma synchronous = ${durable ? 'full' : 'normal'}; begin immediate`);
    try {
      work();
      this.#database.exec('commit');
    } finally {
      if (this.#database.isTransaction) this.#database.exec('rollback');
    }
    return this.#heads;
  }

  /** `at` is milliseconds since the epoch. */
  append(topic: string, at: number, rows: readonly MessageRow[]): void {
    const head = this.#statements.nextHead.get(topic, rows.length)?.head as number;
    rows.forEach(({ type, body }, index) => {
      this.#statements.insertMessage.run(topic, head - rows.length + 1 + index, at, type, body);
    });
    this.#heads.set(topic, head);
    this.#sinceLastPurge += rows.length;
    if (this.#sinceLastPurge < PURGE_EVERY_MESSAGES) return;
    this.#sinceLastPurge = 0;
    this.#statements.purge.run({ topic, before: at - RETENTION_MS });
  }

  /** An offset never moves back. The first one makes the group known. */
  saveOffset(group: string, topic: string, offset: number): void {
    this.#statements.saveOffset.run(group, topic, offset);
  }

  /** How far a relay has come in the log; undefined before its first message. */
  relayed(name: string): number | undefined {
    const row = this.#statements.relayed.get(name);
    return row && Number(row.position);
  }

  saveRelayed(name: string, position: number): void {
    this.#statements.saveRelayed.run(name, position);
  }

  /** Moves what was committed from the write-ahead log into the file; waits for nobody. */
  checkpoint(): void {
    this.#statements.checkpoint.get();
  }

  close(): void {
    this.#database.close();
  }
}
