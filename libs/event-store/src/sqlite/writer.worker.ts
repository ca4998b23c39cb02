import { DatabaseSync } from 'node:sqlite';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';

/** Id, type, time, data and metadata of an event; the last two as JSON text. */
export type EventRow = [id: string, type: string, at: string, data: string, metadata: string];

export interface AppendRequest {
  stream: string;
  /** The revision that the stream's last event must have; -1 where the stream must not exist yet. */
  expected: number;
  rows: EventRow[];
}

/** `repeated`: the stream already held these ids right after `expected`. Both numbers are of the last event. */
export type AppendOutcome =
  | { kind: 'stored' | 'repeated'; revision: number; position: number }
  | { kind: 'conflict'; actual: number };

export type WriterRequest = { kind: 'append'; requests: AppendRequest[] } | { kind: 'close' };
export type WriterReply = { kind: 'opened'; head: number } | { kind: 'committed'; outcomes: AppendOutcome[] };

const SCHEMA_VERSION = 1;
const SCHEMA = `
  CREATE TABLE events (
    position INTEGER PRIMARY KEY,
    stream   TEXT NOT NULL,
    revision INTEGER NOT NULL,
    id       TEXT NOT NULL,
    type     TEXT NOT NULL,
    at       TEXT NOT NULL,
    data     TEXT NOT NULL,
    metadata TEXT NOT NULL,
    UNIQUE (stream, revision)
  ) STRICT;
  PRAGMA user_version = ${SCHEMA_VERSION};`;
const BUSY_TIMEOUT_MS = 10_000;
const MAX_KNOWN_STREAMS = 50_000;

export interface WriterOptions {
  file: string;
  /** Only positions that leave this remainder are used; all of them when left out. */
  positions?: { divisor: number; remainder: number } | undefined;
}

function openDatabase(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS });
  const pragma = (name: string): unknown => Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0];
  const version = Number(pragma('user_version'));
  if (version > SCHEMA_VERSION) {
    throw new Error(`the log has schema ${version}, and this program knows schemas up to ${SCHEMA_VERSION}`);
  }
  if (pragma('journal_mode = WAL') !== 'wal') throw new Error('the log cannot be put into WAL mode');
  // With NORMAL, SQLite's WAL mode may lose a commit that was already acknowledged when the power fails.
  database.exec('PRAGMA synchronous = FULL; PRAGMA fullfsync = ON');
  if (version === 0) database.exec(`BEGIN IMMEDIATE; ${SCHEMA} COMMIT`);
  return database;
}

/** Decides and inserts appends. Errors of the database are not caught: they end the thread, and so the log. */
class Writer {
  private readonly statements;
  /** Last revisions by stream, the least recently appended first. */
  private readonly lastRevisions = new Map<string, number>();
  private readonly database: DatabaseSync;
  private readonly positions: WriterOptions['positions'];
  position: number;

  constructor(database: DatabaseSync, positions: WriterOptions['positions']) {
    this.database = database;
    this.positions = positions;
    this.statements = {
      begin: database.prepare('BEGIN IMMEDIATE'),
      commit: database.prepare('COMMIT'),
      insert: database.prepare('INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)'),
      lastRevision: database.prepare(
        'SELECT revision FROM events WHERE stream = ? ORDER BY revision DESC LIMIT 1',
      ),
      idsAfter: database.prepare(
        'SELECT id, position FROM events WHERE stream = ? AND revision > ? ORDER BY revision LIMIT ?',
      ),
    };
    this.position = Number(
      database.prepare('SELECT coalesce(max(position), 0) AS head FROM events').get()?.head,
    );
  }

  commit(requests: AppendRequest[]): AppendOutcome[] {
    this.statements.begin.run();
    const outcomes = requests.map((request) => this.append(request));
    this.statements.commit.run();
    return outcomes;
  }

  close(): void {
    this.database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    this.database.close();
  }

  private append(request: AppendRequest): AppendOutcome {
    const { stream, expected, rows } = request;
    const actual = this.lastRevision(stream);
    if (actual !== expected) return this.repeated(request) ?? { kind: 'conflict', actual };
    let revision = actual;
    for (const row of rows) {
      this.position = this.nextPosition();
      this.statements.insert.run(this.position, stream, ++revision, ...row);
    }
    this.remember(stream, revision);
    return { kind: 'stored', revision, position: this.position };
  }

  private nextPosition(): number {
    const next = this.position + 1;
    if (!this.positions) return next;
    const { divisor, remainder } = this.positions;
    return next + ((remainder - (next % divisor) + divisor) % divisor);
  }

  private repeated({ stream, expected, rows }: AppendRequest): AppendOutcome | undefined {
    const stored = this.statements.idsAfter.all(stream, expected, rows.length);
    if (stored.length < rows.length || stored.some(({ id }, index) => id !== rows[index]?.[0]))
      return undefined;
    const revision = expected + rows.length;
    return { kind: 'repeated', revision, position: Number(stored.at(-1)?.position) };
  }

  private lastRevision(stream: string): number {
    return this.lastRevisions.get(stream) ?? Number(this.statements.lastRevision.get(stream)?.revision ?? -1);
  }

  private remember(stream: string, revision: number): void {
    this.lastRevisions.delete(stream);
    this.lastRevisions.set(stream, revision);
    if (this.lastRevisions.size <= MAX_KNOWN_STREAMS) return;
    for (const oldest of this.lastRevisions.keys()) {
      this.lastRevisions.delete(oldest);
      return;
    }
  }
}

function serve(port: MessagePort, writer: Writer): void {
  const reply = (message: WriterReply): void => port.postMessage(message);
  port.on('message', (message: WriterRequest) => {
    if (message.kind === 'append') {
      reply({ kind: 'committed', outcomes: writer.commit(message.requests) });
    } else {
      writer.close();
      port.close();
    }
  });
  reply({ kind: 'opened', head: writer.position });
}

if (!parentPort) throw new Error('writer.worker runs as a worker thread');
const { file, positions } = workerData as WriterOptions;
serve(parentPort, new Writer(openDatabase(file), positions));
