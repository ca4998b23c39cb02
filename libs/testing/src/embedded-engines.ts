import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { SqliteEventStore } from '#event-store';
import type { Clock } from '#kernel';
import { EmbeddedBus, type EmbeddedBusOptions } from '#message-bus';
import { SqliteKeyStore } from '#privacy';
import { type RemotePart, RemoteReadFolder } from '#projections';
import { keyWriter, logWriter, messageWriter, queryWriter, Storage } from '#storage';

const masterKey = randomBytes(32);

/** Ends the storage with the engine that stands on it alone. */
function closing<Engine extends { close(): Promise<void> }>(engine: Engine, storage: Storage): Engine {
  const close = engine.close.bind(engine);
  return Object.assign(engine, {
    close: async () => {
      await close();
      await storage.close();
    },
  });
}

/** The embedded log in a file of its own. */
export async function openEmbeddedLog(
  file: string,
  positions?: { divisor: number; remainder: number },
): Promise<SqliteEventStore> {
  const lock = { file: `${file}.lock`, what: 'the event log' };
  const storage = await Storage.open({ masterKey, lock, log: { file, positions } });
  return closing(new SqliteEventStore(file, logWriter(storage, positions)), storage);
}

/** The embedded key store in a file of its own. */
export async function openEmbeddedKeys(
  file: string,
  options: { masterKey: Uint8Array; clock?: Clock },
): Promise<SqliteKeyStore> {
  const storage = await Storage.open({ masterKey: options.masterKey, keys: file });
  try {
    return closing(await SqliteKeyStore.open(file, keyWriter(storage), options), storage);
  } catch (error) {
    await storage.close();
    throw error;
  }
}

/** A part of the embedded read models, in a folder of its own. */
export async function openEmbeddedReads(folder: string): Promise<RemotePart> {
  const [log, read] = [{ file: join(folder, 'log.db'), positions: undefined }, join(folder, 'read')];
  const storage = await Storage.open({ masterKey, log, read });
  return closing(new RemoteReadFolder(read, queryWriter(storage)).of('part'), storage);
}

/** The embedded bus in a file of its own. */
export async function openEmbeddedBus(file: string, options: EmbeddedBusOptions = {}): Promise<EmbeddedBus> {
  const storage = await Storage.open({ masterKey, bus: file });
  return closing(EmbeddedBus.open(file, messageWriter(storage), options), storage);
}
