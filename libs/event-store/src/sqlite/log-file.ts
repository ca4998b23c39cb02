import { DatabaseSync } from 'node:sqlite';

/** Id, type, time, data and metadata of an event; the last two as JSON text. */
export type EventRow = [id: string, type: string, at: string, data: string, metadata: string];

export interface AppendRequest {
  stream: string;
  /** The revision that the stream's last event must have; -1 where the stream must not exist yet. */
  expected: number;
  rows: EventRow[];
  /** What was sealed for the rows, for those who read it next: the sealed text, and as JSON what it holds. */
  opened?: [sealed: string, clear: string][];
}

/** Another holder has the key of that index: nothing was stored. */
export interface TakenOutcome {
  kind: 'taken';
  index: number;
  holder: string;
  revision: number;
}

/** `repeated`: the stream already held these ids right after `expected`. Both numbers are of the last event. */
export type AppendOutcome =
  | { kind: 'stored' | 'repeated'; revision: number; position: number }
  | { kind: 'conflict'; actual: number };

/** Only positions that leave this remainder are used; all of them when left out. */
export type Positions = { divisor: number; remainder: number } | undefined;

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

function openDatabase(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS });
  const pragma = (name: string): unknown => Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0];
  const version = Number(pragma('user_version'));
  if (version > SCHEMA_VERSION) {
    throw new Error(`the log has schema ${version}, and this program knows schemas up to ${SCHEMA_VERSION}`);
  }
  if (pragma('journal_mode = WAL') !== 'wal') throw new Error('the log cannot be put into WAL mode');
  // With NORMAL, SQLite's WAL mode may lose a commit that was already acknowledged when the power fails.
  // Checkpoints are made beside the commits: one made within a commit stalls all who wait for it.
  database.exec('PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA wal_autocheckpoint = 0');
  if (version === 0) database.exec(`BEGIN IMMEDIATE; ${SCHEMA} COMMIT`);
  return database;
}

const prepareAll = (database: DatabaseSync) => ({
  begin: database.prepare('BEGIN IMMEDIATE'),
  commit: database.prepare('COMMIT'),
  insert: database.prepare('INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)'),
  lastRevision: database.prepare(
    'SELECT revision FROM events WHERE stream = ? ORDER BY revision DESC LIMIT 1',
  ),
  idsAfter: database.prepare(
    'SELECT id, position FROM events WHERE stream = ? AND revision > ? ORDER BY revision LIMIT ?',
  ),
  checkpoint: database.prepare('PRAGMA wal_checkpoint(PASSIVE)'),
});

/** The one writer of a log's SQLite file. Errors of the database leave open what was stored: its thread must end. */
export class LogFile {
  /** For a table of others that is kept as safe as the events. */
  readonly database: DatabaseSync;
  readonly #statements: ReturnType<typeof prepareAll>;
  readonly #positions: Positions;
  /** Last revisions by stream, the least recently appended first. */
  readonly #lastRevisions = new Map<string, number>();
  #head: number;

  constructor(file: string, positions?: Positions) {
    this.database = openDatabase(file);
    this.#positions = positions;
    this.#statements = prepareAll(this.database);
    this.#head = Number(
      this.database.prepare('SELECT coalesce(max(position), 0) AS head FROM events').get()?.head,
    );
  }

  /** The position of the last event; 0 in an empty log. */
  get head(): number {
    return this.#head;
  }

  /** From one position to the next. */
  get step(): number {
    return this.#positions?.divisor ?? 1;
  }

  /** One durable transaction for all of them, and for `beside`; each is stored whole or not at all. */
  commit(requests: readonly AppendRequest[], beside?: () => void): AppendOutcome[] {
    this.#statements.begin.run();
    const outcomes = requests.map((request) => this.#append(request));
    beside?.();
    this.#statements.commit.run();
    return outcomes;
  }

  /** Moves what was committed from the write-ahead log into the file; waits for nobody. */
  checkpoint(): void {
    this.#statements.checkpoint.get();
  }

  close(): void {
    this.database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    this.database.close();
  }

  #append(request: AppendRequest): AppendOutcome {
    const { stream, expected, rows } = request;
    const actual = this.#lastRevision(stream);
    if (actual !== expected) return this.#repeated(request) ?? { kind: 'conflict', actual };
    let revision = actual;
    for (const row of rows) {
      this.#head = this.#nextPosition();
      this.#statements.insert.run(this.#head, stream, ++revision, ...row);
    }
    this.#remember(stream, revision);
    return { kind: 'stored', revision, position: this.#head };
  }

  #nextPosition(): number {
    const next = this.#head + 1;
    if (!this.#positions) return next;
    const { divisor, remainder } = this.#positions;
    return next + ((remainder - (next % divisor) + divisor) % divisor);
  }

  #repeated({ stream, expected, rows }: AppendRequest): AppendOutcome | undefined {
    const stored = this.#statements.idsAfter.all(stream, expected, rows.length);
    if (stored.length < rows.length || stored.some(({ id }, index) => id !== rows[index]?.[0]))
      return undefined;
    const revision = expected + rows.length;
    return { kind: 'repeated', revision, position: Number(stored.at(-1)?.position) };
  }

  #lastRevision(stream: string): number {
    const known = this.#lastRevisions.get(stream);
    return known ?? Number(this.#statements.lastRevision.get(stream)?.revision ?? -1);
  }

  #remember(stream: string, revision: number): void {
    this.#lastRevisions.delete(stream);
    this.#lastRevisions.set(stream, revision);
    if (this.#lastRevisions.size <= MAX_KNOWN_STREAMS) return;
    for (const oldest of this.#lastRevisions.keys()) {
      this.#lastRevisions.delete(oldest);
      return;
    }
  }
}
