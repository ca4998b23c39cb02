import { join } from 'node:path';
import { LOG_NUMBERS } from '#event-store';
import { Storage, type StorageFiles } from '#storage';
import type { AppLogger } from './operations/logger.js';
import type { Settings } from './settings.js';

const FILES = { log: 'log.db', keys: 'keys.db', bus: 'bus.db', read: 'read' };

/** A file of the data dir, or the folder of the read models. */
export const dataFile = ({ dataDir }: Settings, name: keyof typeof FILES): string =>
  join(dataDir, FILES[name]);

export const logPositions = ({ logNumber }: Settings) =>
  logNumber === undefined ? undefined : { divisor: LOG_NUMBERS, remainder: logNumber };

/** Opens what is embedded of the engines; undefined where servers hold everything. One process a data dir. */
export async function openStorage(settings: Settings, logger: AppLogger): Promise<Storage | undefined> {
  const files = embeddedFiles(settings);
  if (Object.values(files).every((file) => file === undefined)) return undefined;
  const { masterKey, acceptOlderLog } = settings;
  const lock = files.log
    ? { file: `${files.log.file}.lock`, what: 'the event log' }
    : { file: join(settings.dataDir, 'data-dir.lock'), what: 'the data dir' };
  const old = {
    requests: join(settings.dataDir, 'requests.db'),
    read: join(settings.dataDir, 'read.db'),
    folder: dataFile(settings, 'read'),
  };
  const paired = settings.keyStoreUrl === undefined;
  return Storage.open(
    { ...files, masterKey, lock, old, paired, acceptOlderLog },
    ({ level, fields, message }) => logger[level](fields, message),
  );
}

function embeddedFiles(settings: Settings): StorageFiles {
  const { eventStoreUrl, databaseUrl, keyStoreUrl, kafka } = settings;
  return {
    log: eventStoreUrl ? undefined : { file: dataFile(settings, 'log'), positions: logPositions(settings) },
    // The records of repeatable requests stand beside the keys.
    keys: keyStoreUrl && databaseUrl ? undefined : dataFile(settings, 'keys'),
    bus: kafka ? undefined : dataFile(settings, 'bus'),
    read: eventStoreUrl || databaseUrl ? undefined : dataFile(settings, 'read'),
  };
}
