import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { RecordedEvent } from '#kernel';
import { recordedEvent } from '../event-row.js';
import type { Scan, ScanResult } from '../log-subscription.js';
import { MAX_PAGE_BYTES, type PageRange } from '../pages.js';
import type { EventRow } from './log-file.js';

const COLUMNS = 'position, stream, revision, id, type, at, data, metadata';
/** How much of the log one scan looks at, so that a rare category can't hold up the event loop. */
const SCAN_WINDOW = 4_096;

/** Reads the log on a connection of its own, on the calling thread; it sees what is committed. */
export class LogReader {
  private readonly database: DatabaseSync;
  private readonly forwards: StatementSync;
  private readonly backwards: StatementSync;
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
    this.forwards = prepare('stream = ? AND revision >= ? ORDER BY revision LIMIT ?');
    this.backwards = prepare('stream = ? AND revision <= ? ORDER BY revision DESC LIMIT ?');
    this.all = prepare(`${range} ORDER BY position LIMIT ?`);
    this.some = prepare(
      `${range} AND ${category} IN (SELECT value FROM json_each(?)) ORDER BY position LIMIT ?`,
    );
  }

  readStream(stream: string, { from, limit, backwards }: PageRange): RecordedEvent[] {
    const statement = backwards ? this.backwards : this.forwards;
    return cut(statement.iterate(stream, from, limit)).events;
  }

  scan({ after, head, limit, categories }: Scan): ScanResult {
    const end = Math.min(head, after + SCAN_WINDOW);
    const rows = categories
      ? this.some.iterate(after, end, JSON.stringify([...categories]), limit)
      : this.all.iterate(after, end, limit);
    const { events, isCut } = cut(rows);
    const last = events.at(-1);
    return { events, position: last && (isCut || events.length === limit) ? Number(last.position) : end };
  }

  close(): void {
    this.database.close();
  }
}

/** At most a page's bytes of what a statement finds. The statement ends here, so that no read transaction stays open. */
function cut(rows: Iterable<unknown>): { events: RecordedEvent[]; isCut: boolean } {
  const events: RecordedEvent[] = [];
  let size = 0;
  for (const row of rows) {
    const [position, stream, revision, ...event] = row as [number, string, number, ...EventRow];
    events.push(recordedEvent(event, { stream, revision, position }));
    const [, , , data, metadata] = event;
    size += data.length + metadata.length;
    if (size >= MAX_PAGE_BYTES) return { events, isCut: true };
  }
  return { events, isCut: false };
}
