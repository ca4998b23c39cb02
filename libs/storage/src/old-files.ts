import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** Files of a data dir whose state had one file for all read models, and one for the records of repeatable requests. */
export interface OldFiles {
  requests: string;
  read: string;
  /** The folder of the read models of today. */
  folder: string;
}

const RELAY = 'lifecycle-relay';

/**
 * Takes over what the log can't give: request records, where followers and the relay stand, and when keys were used. A
 * file goes once all of it is taken; until then it is taken again, before anything else uses the new ones.
 */
export function takeOver(old: OldFiles, keys: DatabaseSync, bus: string | undefined): void {
  if (existsSync(old.requests)) {
    copy(old.requests, keys, { isWanted: () => true });
    remove(old.requests);
  }
  if (!existsSync(old.read)) return;
  mkdirSync(old.folder, { recursive: true, mode: 0o700 });
  into(join(old.folder, 'key-uses.db'), (file) =>
    copy(old.read, file, { isWanted: (table) => table === 'key_uses', versions: ['key uses'] }),
  );
  if (bus) {
    into(bus, (file) => {
      file.exec(
        'create table if not exists relay (name text primary key, position integer not null) strict, without rowid',
      );
      file.exec(`attach '${quoted(old.read)}' as old`);
      file.exec(
        `insert or ignore into relay select name, position from old.checkpoints where name = '${RELAY}'`,
      );
    });
  }
  into(join(old.folder, 'common.db'), (file) =>
    copy(old.read, file, {
      isWanted: (table) => table === 'checkpoints',
      versions: ['checkpoints'],
      // Those of projections have tables; they are built anew.
      rows: "tables = '[]'",
    }),
  );
  remove(old.read);
}

function remove(file: string): void {
  for (const suffix of ['-wal', '-shm', '']) rmSync(`${file}${suffix}`, { force: true });
}

function into(path: string, work: (file: DatabaseSync) => void): void {
  const file = new DatabaseSync(path);
  try {
    file.exec('pragma journal_mode = wal; pragma synchronous = full');
    work(file);
  } finally {
    file.close();
  }
}

interface Wanted {
  isWanted(table: string): boolean;
  /** Parts of `schema_versions`; all when left out. */
  versions?: string[];
  rows?: string;
}

function copy(from: string, to: DatabaseSync, { isWanted, versions, rows = 'true' }: Wanted): void {
  to.exec(`attach '${quoted(from)}' as old; begin immediate`);
  const made = to
    .prepare('select type, name, tbl_name, sql from old.sqlite_master where sql is not null')
    .all();
  for (const { type, name, tbl_name, sql } of made) {
    const isVersions = tbl_name === 'schema_versions';
    if (!isVersions && !isWanted(String(tbl_name))) continue;
    to.exec(
      String(sql).replace(/^create (table|(?:unique )?index) (?!if not exists)/i, 'create $1 if not exists '),
    );
    if (type !== 'table') continue;
    const parts = versions?.map((part) => `'${part}'`).join();
    const condition = !isVersions ? rows : parts ? `part in (${parts})` : 'true';
    to.exec(`insert or ignore into main."${name}" select * from old."${name}" where ${condition}`);
  }
  to.exec('commit; detach old');
}

const quoted = (path: string): string => path.replaceAll("'", "''");
