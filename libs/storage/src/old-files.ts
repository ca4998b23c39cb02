import { existsSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

/** Files of a data dir whose state had one file for all read models, and one for the records of repeatable requests. */
export interface OldFiles {
  requests: string;
  read: string;
}

interface Targets {
  keys: DatabaseSync;
  bus: string;
  /** The file of a part of the read models. */
  part(name: string): string;
}

const RELAY = 'lifecycle-relay';

/**
 * Takes over what the log can't give: request records, where followers and the relay stand, and when keys were used. The
 * records' file goes at once; that of the read models stays until the new ones are there.
 */
export function takeOver(old: OldFiles, targets: Targets): void {
  if (existsSync(old.requests)) {
    copy(old.requests, targets.keys, { isWanted: () => true });
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${old.requests}${suffix}`, { force: true });
  }
  if (!existsSync(old.read) || existsSync(targets.part('common'))) return;
  into(targets.part('key-uses'), (file) =>
    copy(old.read, file, { isWanted: (table) => table === 'key_uses', versions: ['key uses'] }),
  );
  into(targets.bus, (file) => {
    file.exec(
      'create table if not exists relay (name text primary key, position integer not null) strict, without rowid',
    );
    file.exec(`attach '${quoted(old.read)}' as old`);
    file.exec(
      `insert or ignore into relay select name, position from old.checkpoints where name = '${RELAY}'`,
    );
  });
  // Last, since it tells that all of it is done.
  into(targets.part('common'), (file) =>
    copy(old.read, file, {
      isWanted: (table) => table === 'checkpoints',
      versions: ['checkpoints'],
      // Those of projections have tables; they are built anew.
      rows: "tables = '[]'",
    }),
  );
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
