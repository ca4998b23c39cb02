import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { SqliteKeyStore } from '#privacy';
import { keyWriter, Storage, snapshotWriter } from '#storage';
import { describeSnapshotStore, filesUnder } from '#testing';
import { SqliteSnapshots } from './sqlite-snapshots.js';

const masterKey = randomBytes(32);

/** As the embedded engines keep them: beside the keys, written by the storage's thread. */
async function open() {
  const folder = mkdtempSync(join(tmpdir(), 'tenantry-snapshots-'));
  const file = join(folder, 'keys.db');
  const storage = await Storage.open({ masterKey, keys: file });
  const keys = await SqliteKeyStore.open(file, keyWriter(storage), { masterKey });
  const close = async () => {
    await keys.close();
    await storage.close();
  };
  return { folder, keys, store: new SqliteSnapshots(keys.reader.database, snapshotWriter(storage)), close };
}

describeSnapshotStore('SQLite, written by the storage thread', async () => {
  const { folder, store, close } = await open();
  const dispose = async () => {
    await close();
    rmSync(folder, { recursive: true });
  };
  return { store, dispose };
});

it('given that a key is destroyed, then no file holds what was sealed under it, and the others stay', async () => {
  const { folder, keys, store, close } = await open();
  const [destroyed, other] = [await keys.assign(), await keys.assign()];
  const snapshot = {
    stream: 'budget-1',
    version: 1,
    revision: 9,
    keyId: destroyed,
    sealed: 'of the destroyed',
  };
  const kept = { ...snapshot, stream: 'budget-2', keyId: other, sealed: 'of the other' };
  await Promise.all([store.put(snapshot), store.put(kept)]);
  await keys.destroy([destroyed]);
  expect(await store.find('budget-1', 1)).toBeUndefined();
  expect(await store.find('budget-2', 1)).toEqual(kept);
  await close();
  const bytes = Buffer.concat(filesUnder(folder).map((path) => readFileSync(path)));
  expect([bytes.includes(snapshot.sealed), bytes.includes(kept.sealed)]).toEqual([false, true]);
  rmSync(folder, { recursive: true });
});
