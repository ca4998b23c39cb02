import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { illegalState } from '#kernel';
import { openingFile, valueIn } from './sqlite-file.js';

/** SQLite's result code where something would have to be written. */
const SQLITE_READONLY = 8;

const SET_UP = `
  CREATE TABLE IF NOT EXISTS installation (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL,
    own INTEGER NOT NULL,
    other INTEGER NOT NULL
  ) STRICT`;

/**
 * Whose a file is, how often it was written, and how far the other file of the two had come then. The keys count their
 * commits and know the log's last position; the log knows the keys' count. Each round commits the keys first, so after
 * a crash neither file can know more of the other than is there.
 */
export class InstallationRow {
  readonly #save: StatementSync;

  constructor(database: DatabaseSync, id: string) {
    database.exec(SET_UP);
    database.prepare('INSERT INTO installation VALUES (1, ?, 0, 0) ON CONFLICT DO NOTHING').run(id);
    this.#save = database.prepare('UPDATE installation SET own = ?, other = ?');
  }

  /** In the transaction of the caller. */
  save(own: number, other: number): void {
    this.#save.run(own, other);
  }
}

/** Undefined where the file was never bound to an installation. */
export const installationIn = (database: DatabaseSync): string | undefined =>
  valueIn<string>(database, 'installation', 'id');

/** How far something that is made from the log has come, by the table that says so. */
export const positionIn = (database: DatabaseSync, table: 'relay' | 'checkpoints'): number =>
  valueIn<number>(database, table, 'max(position)') ?? 0;

export const keyCommitsIn = (database: DatabaseSync): number =>
  valueIn<number>(database, 'installation', 'own') ?? 0;

export interface PairedFiles {
  log: string;
  keys: string;
  bus?: string | undefined;
  /** Goes on from a log that is older than the others. */
  acceptOlderLog?: boolean | undefined;
}

const ACCEPT = '; TENANTRY_ACCEPT_OLDER_LOG=true goes on without what came after';
const PUT_BACK = 'put back files that belong together; nothing was changed';

/**
 * The id of the installation that the files belong to, a new one where there is none. Reads only. Throws
 * `illegal_state` where they do not belong together or one of them is older than the other.
 */
export function checkedInstallation({ log, keys, bus, acceptOlderLog = false }: PairedFiles): string {
  const [written, store] = [reading(log, logState), reading(keys, keyState)];
  const head = written?.head ?? 0;
  const logEnd = written ? `ends at ${place(head, written.at)}` : 'is missing';
  if (written?.id !== undefined && written.id !== store?.id) {
    const what = store && !store.isNew ? 'belongs to another installation than' : 'is missing or new beside';
    throw illegalState(`${keys} ${what} ${log}, which ${logEnd}: ${PUT_BACK}`);
  }
  if (written && store && written.other > store.own) {
    const covered = reading(log, (database) => timeAt(database, store.other));
    throw illegalState(
      `${keys} is older than ${log}: it covers the log up to ${place(store.other, covered)}, and the log ${logEnd}: ${PUT_BACK}`,
    );
  }
  const id = store?.id ?? randomUUID();
  const seen = [
    { file: keys, position: store?.other ?? 0 },
    ...(bus ? [{ file: bus, position: reading(bus, (it) => relayedIn(it, id)) ?? 0 }] : []),
  ].find(({ position }) => position > head);
  if (seen && !acceptOlderLog) {
    throw illegalState(
      `${log} is older than ${seen.file}: it ${logEnd}, and ${seen.file} knows of position ${seen.position}: ${PUT_BACK}${ACCEPT}`,
    );
  }
  if (written && written.id === undefined && head > 0) {
    if (!store || store.isNew) {
      throw illegalState(`${keys} is missing or new beside ${log}, which ${logEnd}: ${PUT_BACK}`);
    }
    requireNamedKey({ log, keys });
  }
  return id;
}

/** A log that was never bound goes with keys that have the newest key that it names. */
function requireNamedKey({ log, keys }: PairedFiles): void {
  const named = reading(log, newestKeyIn);
  if (!named || reading(keys, (database) => hasKey(database, named.key))) return;
  throw illegalState(
    `${keys} is older than ${log}: it lacks the key that ${place(named.position, named.at)} names: ${PUT_BACK}`,
  );
}

const logState = (database: DatabaseSync) => {
  const head = valueIn<number>(database, 'events', 'max(position)') ?? 0;
  return {
    id: installationIn(database),
    other: valueIn<number>(database, 'installation', 'other') ?? 0,
    head,
    at: timeAt(database, head),
  };
};

const keyState = (database: DatabaseSync) => ({
  id: installationIn(database),
  own: keyCommitsIn(database),
  other: valueIn<number>(database, 'installation', 'other') ?? 0,
  // The first use of a key store leaves a secret there.
  isNew: !valueIn<number>(database, 'secrets', 'count(*)'),
});

/** How far the log was told in messages; what another installation says does not count. */
const relayedIn = (database: DatabaseSync, id: string): number =>
  (installationIn(database) ?? id) === id ? positionIn(database, 'relay') : 0;

const timeAt = (database: DatabaseSync, position: number): string | undefined =>
  valueIn<string>(database, 'events', 'at', `position <= ${position} ORDER BY position DESC LIMIT 1`);

const hasKey = (database: DatabaseSync, key: number): boolean =>
  valueIn(database, 'subject_keys', 'id', `id = ${key}`) !== undefined;

/** Among the last thousand that are named: keys that were made at once may be named in another order. */
const newestKeyIn = (database: DatabaseSync) =>
  database
    .prepare(
      `SELECT key, position, at FROM (
         SELECT CAST(CASE WHEN json_valid(data) THEN data ->> '$.subject_key' END AS INTEGER) AS key, position, at
         FROM events WHERE key IS NOT NULL ORDER BY position DESC LIMIT 1000
       ) ORDER BY key DESC LIMIT 1`,
    )
    .get() as { key: number; position: number; at: string } | undefined;

const place = (position: number, at: string | undefined): string =>
  at ? `position ${position} (${at})` : `position ${position}`;

function reading<Result>(file: string, read: (database: DatabaseSync) => Result): Result | undefined {
  if (!existsSync(file)) return undefined;
  return openingFile(file, () => {
    try {
      return opened(file, { readOnly: true }, read);
    } catch (error) {
      if (Number((error as { errcode?: number }).errcode) % 256 !== SQLITE_READONLY) throw error;
      // A kill while the file was made left a commit that is to be undone, which who only reads can't do.
      return opened(file, {}, read);
    }
  });
}

function opened<Result>(file: string, options: object, read: (database: DatabaseSync) => Result): Result {
  const database = new DatabaseSync(file, options);
  try {
    return read(database);
  } finally {
    database.close();
  }
}
