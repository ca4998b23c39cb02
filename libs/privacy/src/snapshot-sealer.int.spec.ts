import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openEmbeddedKeys } from '#testing';
import { Sealer } from './sealer.js';
import { SnapshotSealer } from './snapshot-sealer.js';
import type { SqliteKeyStore } from './sqlite-key-store.js';

const CONTEXT = 'snapshot 1 of budget-1';
const content = { event_id: '1', state: { note: 'alice@example.com', held: 2 ** 40 } };

describe('SnapshotSealer', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tenantry-snapshots-'));
  const masterKey = randomBytes(32);
  let keys: SqliteKeyStore;
  let sealer: SnapshotSealer;
  const start = async () => {
    keys = await openEmbeddedKeys(join(folder, 'keys.db'), { masterKey });
    sealer = new SnapshotSealer(new Sealer(keys), keys);
  };
  beforeAll(start);
  afterAll(async () => {
    await keys.close();
    rmSync(folder, { recursive: true });
  });

  const subjects: [string, () => Promise<string | null>][] = [
    ['a person', () => keys.assign()],
    ['nobody', async () => null],
  ];

  it.each(subjects)(
    'given the data of %s, then it opens in its place alone, also after a restart',
    async (_, subject) => {
      const sealed = await sealer.seal(await subject(), CONTEXT, content);
      expect(JSON.stringify(sealed)).not.toContain('alice');
      await keys.close();
      await start();
      expect(await sealer.open(sealed, CONTEXT)).toEqual(content);
      await expect(sealer.open(sealed, 'snapshot 1 of budget-2')).rejects.toThrow('integrity');
      const at = sealed.sealed.length - 10;
      const letter = sealed.sealed[at] === 'A' ? 'B' : 'A';
      const altered = `${sealed.sealed.slice(0, at)}${letter}${sealed.sealed.slice(at + 1)}`;
      await expect(sealer.open({ ...sealed, sealed: altered }, CONTEXT)).rejects.toThrow('integrity');
    },
  );

  it('given that the key of the person is destroyed, then it is gone, and no other is made', async () => {
    const key = await keys.assign();
    const sealed = await sealer.seal(key, CONTEXT, content);
    expect(sealed.keyId).toBe(key);
    await keys.destroy([key]);
    expect(await sealer.open(sealed, CONTEXT)).toBeNull();
    await expect(sealer.seal(key, CONTEXT, content)).rejects.toMatchObject({ code: 'illegal_state' });
  });
});
