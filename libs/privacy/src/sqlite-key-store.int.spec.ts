import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Clock, uniqueId } from '#kernel';
import { describeIdentifierRegistry, describeSubjectKeyStore, openEmbeddedKeys } from '#testing';
import { IdentifierRegistry } from './identifiers.js';
import type { SqliteKeyStore } from './sqlite-key-store.js';

let millisecond = Date.UTC(2030, 0, 1);
const tickingClock: Clock = { now: () => new Date(millisecond++) };

const createHarness = async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tenantry-keys-'));
  const masterKey = randomBytes(32);
  return {
    open: async () => openEmbeddedKeys(join(folder, 'keys.db'), { masterKey, clock: tickingClock }),
    dispose: async () => rmSync(folder, { recursive: true }),
  };
};
describeSubjectKeyStore('SqliteKeyStore', createHarness);
describeIdentifierRegistry('SqliteKeyStore', createHarness);

describe('SqliteKeyStore', () => {
  let folder: string;
  let file: string;
  let store: SqliteKeyStore;
  let inspector: DatabaseSync;
  const masterKey = randomBytes(32);
  const open = (options: { clock?: Clock } = {}) => openEmbeddedKeys(file, { masterKey, ...options });
  /** Durable when they are answered. */
  const assignMany = async (count: number) => {
    const ids = await Promise.all(Array.from({ length: count }, () => store.assign()));
    await store.ready();
    return ids;
  };
  const countKeys = () => inspector.prepare('SELECT count(*) AS count FROM subject_keys').get()?.count;
  const wrappedBytes = (id: string): Buffer => {
    const row = inspector.prepare('SELECT wrapped FROM subject_keys WHERE id = ?').get(id);
    return Buffer.from(row?.wrapped as Uint8Array);
  };
  // Read in another process: closing a descriptor of the file in this one would drop SQLite's locks on it.
  const storedBytes = (): Buffer =>
    execFileSync(
      'cat',
      readdirSync(folder).map((name) => join(folder, name)),
      { maxBuffer: 1 << 28 },
    );

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tenantry-keys-'));
    file = join(folder, 'keys.db');
    store = await open({ clock: tickingClock });
    inspector = new DatabaseSync(file);
  });
  afterEach(async () => {
    await store.close();
    inspector.close();
    rmSync(folder, { recursive: true });
  });

  it('given thousands of keys, when some are destroyed, then no file holds their wrapped bytes and all others stay', async () => {
    const ids = await assignMany(4000);
    const doomed = ids.filter((_, index) => index % 41 === 0 || index > 3990);
    const wrapped = new Map(ids.map((id) => [id, wrappedBytes(id)]));
    const before = storedBytes();
    expect(ids.filter((id) => !before.includes(wrapped.get(id)!))).toEqual([]);

    await store.destroy(doomed);
    const after = storedBytes();
    expect(ids.filter((id) => !after.includes(wrapped.get(id)!))).toEqual(doomed);
    expect(ids.filter((id) => after.includes(wrapped.get(id)!.subarray(0, 12)))).toHaveLength(
      ids.length - doomed.length,
    );
  });

  it('given a key whose page stands in the file and in the log, when it is destroyed, then both are rid of it', async () => {
    const [first, second] = (await assignMany(2)) as [string, string];
    const wrapped = [wrappedBytes(first), wrappedBytes(second)] as const;
    inspector.exec('PRAGMA wal_checkpoint(FULL)');
    await store.destroy([second]);
    inspector.exec('PRAGMA wal_checkpoint(FULL)');
    expect(storedBytes().includes(wrapped[0])).toBe(true);
    await store.destroy([first]);
    expect(wrapped.map((bytes) => storedBytes().includes(bytes))).toEqual([false, false]);
  });

  it('given a crash after the commit of a destruction, when it is asked for again, then the log is cut too', async () => {
    const [id = ''] = await assignMany(1);
    const wrapped = wrappedBytes(id);
    inspector.exec(`
      BEGIN;
      UPDATE subject_keys SET wrapped = zeroblob(length(wrapped)) WHERE id = ${id};
      INSERT INTO destroyed_keys VALUES (${id}, '2029-01-01T00:00:00.000Z');
      COMMIT;
    `);
    expect(storedBytes().includes(wrapped)).toBe(true);
    expect(await store.destroy([id])).toEqual(['2029-01-01T00:00:00.000Z']);
    expect(storedBytes().includes(wrapped)).toBe(false);
  });

  it('given a destruction not yet committed, when the key is found meanwhile and the store closed, then it is destroyed', async () => {
    const id = await store.assign();
    const destroyed = store.destroy([id]);
    await store.find(id);
    await store.close();
    await expect(destroyed).resolves.toHaveLength(1);
    store = await open();
    await expect(store.find(id)).resolves.toBeUndefined();
  });

  it('given a destroyed secret, then no file holds its wrapped bytes', async () => {
    await store.secret('uniqueness');
    const select = inspector.prepare("SELECT wrapped FROM secrets WHERE name = 'uniqueness'");
    const wrapped = Buffer.from(select.get()?.wrapped as Uint8Array);
    expect(storedBytes().includes(wrapped)).toBe(true);
    await store.destroySecret('uniqueness');
    expect(storedBytes().includes(wrapped)).toBe(false);
  });

  it('given identifiers of thousands of holders, when some are released and their keys destroyed, then no file holds a digest of theirs', async () => {
    const registry = await IdentifierRegistry.open(store);
    await registry.complete();
    const keys = new Map((await assignMany(3_000)).map((key) => [uniqueId(), key]));
    const holders = [...keys.keys()];
    const of = (holder: string) => [
      { kind: 'user.external_id' as const, scope: 'tenant', value: `id ${holder}` },
      { kind: 'user.username' as const, scope: 'tenant', value: `name ${holder}` },
    ];
    const digests = new Map(
      holders.map((holder) => [holder, of(holder).map((it) => Buffer.from(registry.digest(it)))]),
    );
    for (let at = 0; at < holders.length; at += 250) {
      const some = holders.slice(at, at + 250);
      await Promise.all(
        some.map((holder) => registry.claim(of(holder), { holder, revision: holder.charCodeAt(35) ** 4 })),
      );
    }
    const doomed = holders.filter((_, index) => index % 3 === 0 || index > 2_500);
    const found = () => {
      const bytes = storedBytes();
      return holders.filter((holder) => digests.get(holder)?.some((digest) => bytes.includes(digest)));
    };
    expect(found()).toEqual(holders);
    for (let at = 0; at < doomed.length; at += 100) {
      const some = doomed.slice(at, at + 100);
      await Promise.all(some.map((holder) => registry.releaseHolder(holder)));
      await store.destroy(some.map((holder) => keys.get(holder) as string));
    }
    expect(found()).toEqual(holders.filter((holder) => !doomed.includes(holder)));
  });

  it('given a store never assigned from, when it opens, then it makes no keys', () => {
    expect(countKeys()).toBe(0);
  });

  it('given wrapped keys swapped between two rows, when they are found, then it throws', async () => {
    const [one, two] = (await assignMany(2)) as [string, string];
    const update = inspector.prepare('UPDATE subject_keys SET wrapped = ? WHERE id = ?');
    const [wrappedOne, wrappedTwo] = [wrappedBytes(one), wrappedBytes(two)];
    update.run(wrappedOne, two);
    update.run(wrappedTwo, one);
    const reopened = await open();
    await expect(reopened.find(one)).rejects.toThrow('integrity');
    await reopened.close();
  });

  it('given assigned keys and secrets, when the files are scanned, then none stands there in clear', async () => {
    const keys = await Promise.all((await assignMany(20)).map((id) => store.find(id)));
    const clear = [...keys, await store.secret('uniqueness'), masterKey].map((key) => Buffer.from(key ?? []));
    const stored = storedBytes();
    expect(clear.filter((bytes) => stored.includes(bytes))).toEqual([]);
  });

  it('given a store made with one master key, when it is opened with another, then it says which setting is wrong', async () => {
    await store.close();
    await expect(openEmbeddedKeys(file, { masterKey: randomBytes(32) })).rejects.toThrow(
      expect.objectContaining({
        kind: 'illegal_state',
        message: expect.stringContaining('TENANTRY_MASTER_KEY'),
      }),
    );
    store = await open();
    await expect(store.ready()).resolves.toBeUndefined();
  });

  it('given a master key of the wrong length, when a store is opened, then it says which setting is wrong', async () => {
    const options = { masterKey: randomBytes(31) };
    await expect(openEmbeddedKeys(join(folder, 'other.db'), options)).rejects.toThrow('TENANTRY_MASTER_KEY');
  });

  it('given a new store, when its file is made, then only its owner may read it', () => {
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });
});
