import { DatabaseSync, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import type { RecordedEvent } from '#kernel';
import { recordedEvent } from '../event-row.js';
import type { Scan, ScanResult } from '../log-subscription.js';
import type { EventRow } from './log-file.js';

const COLUMNS = 'position, stream, revision, id, type, at, data, metadata';
/** How much of the log one scan looks at, so that a rare category can't hold up the event loop. */
const SCAN_WINDOW = 4_096;

/** Reads the log on a connection of its own, on the calling thread; it sees what is committed. */
export class LogReader {
  private readonly database: DatabaseSync;
  private readonly stream: StatementSync;
  private readonly all: StatementSync;
  private readonly some: StatementSync;

  constructor(file: string) {
    this.database = new DatabaseSync(file, { readOnly: true, timeout: 1_000 });
    const prepare = (where: string): StatementSync => {
      const statement = this.database.prepare(`SELECT ${COLUMNS} FROM events WHERE ${where}`);
      statement.setReturnArrays(true);
      return statement;
    };
    const range = 'position > ? AND position <= ?';
    const category = "substr(stream, 1, instr(stream, '-') - 1)";
    this.stream = prepare('stream = ? AND revision >= ? ORDER BY revision LIMIT ?');
    this.all = prepare(`${range} ORDER BY position LIMIT ?`);
    this.some = prepare(
      `${range} AND ${category} IN (SELECT value FROM json_each(?)) ORDER BY position LIMIT ?`,
    );
  }

  /** A limit of -1 is none. */
  readStream(stream: string, from: number, limit = -1): RecordedEvent[] {
    return this.stream.all(stream, from, limit).map(eventOf);
  }

  scan({ after, head, limit, categories }: Scan): ScanResult {
    const end = Math.min(head, after + SCAN_WINDOW);
    const rows = categories
      ? this.some.all(after, end, JSON.stringify([...categories]), limit)
      : this.all.all(after, end, limit);
    const events = rows.map(eventOf);
    const last = events.at(-1);
    return { events, position: last && events.length === limit ? Number(last.position) : end };
  }

  close(): void {
    this.database.close();
  }
}

/** The statements answer arrays in the order of COLUMNS, which Node's types do not know. */
function eventOf(row: unknown): RecordedEvent {
  const [position, stream, revision, ...event] = row as SQLOutputValue[];
  return recordedEvent(event as EventRow, {
    stream: stream as string,
    revision: revision as number,
    position: position as number,
  });
}
