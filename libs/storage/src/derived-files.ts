import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type Logger, removeFile } from '#worker/projections';
import { InstallationRow, installationIn, positionIn } from './installation.js';
import { openingFile } from './sqlite-file.js';

/** SQLite's result codes for a file that is damaged, and for one that is no database. */
const DAMAGED = [11, 26];

interface Derived {
  read?: string | undefined;
  bus?: string | undefined;
}

/** Removes what was made from another log than this one, and damaged read models: they are made anew. */
export function dropForeign({ read, bus }: Derived, log: { id: string; head: number }, logger: Logger): void {
  for (const file of read ? partsIn(read) : []) {
    if (!openingFile(file, () => belongs(file, 'checkpoints', log))) drop(file, logger);
  }
  if (!bus || !existsSync(bus)) return;
  if (!openingFile(bus, () => belongs(bus, 'relay', log))) drop(bus, logger);
}

function partsIn(read: string): string[] {
  if (!existsSync(read)) return [];
  openingFile(read, () => accessSync(read, constants.W_OK));
  return readdirSync(read)
    .filter((name) => name.endsWith('.db'))
    .map((name) => join(read, name));
}

function belongs(
  file: string,
  table: 'checkpoints' | 'relay',
  { id, head }: { id: string; head: number },
): boolean {
  const database = new DatabaseSync(file);
  try {
    if ((installationIn(database) ?? id) !== id || positionIn(database, table) > head) return false;
    new InstallationRow(database, id);
    return true;
  } catch (error) {
    if (DAMAGED.includes(Number((error as { errcode?: number }).errcode) & 0xff)) return false;
    throw error;
  } finally {
    database.close();
  }
}

function drop(file: string, logger: Logger): void {
  logger.warn({ file }, 'a file that does not belong to the log is made anew');
  removeFile(file);
}
