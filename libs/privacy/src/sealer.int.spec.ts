import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Json, JsonObject } from '#kernel';
import { openEmbeddedKeys } from '#testing';
import { Sealer } from './sealer.js';
import type { SqliteKeyStore } from './sqlite-key-store.js';

const CONTEXT = 'tenantUser-1';
const alice: JsonObject = {
  email: 'alice@example.com',
  names: ['Alice', 'Ålïcé 愛 🐇'],
  age: 7,
  label: null,
};

describe('Sealer', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tenantry-sealer-'));
  const masterKey = randomBytes(32);
  const open = () => openEmbeddedKeys(join(folder, 'keys.db'), { masterKey });
  let store: SqliteKeyStore;
  let sealer: Sealer;
  let keyId: string;

  beforeAll(async () => {
    store = await open();
    sealer = new Sealer(store);
    keyId = await store.assign();
  });
  afterAll(async () => {
    await store.close();
    rmSync(folder, { recursive: true });
  });

  it('given any JSON object and context, when it is sealed and opened, then it is the same', async () => {
    const values = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ stringUnit: 'binary' }));
    await fc.assert(
      fc.asyncProperty(values, fc.string({ unit: 'binary' }), async (value, context) => {
        const object = value as { [key: string]: Json };
        const opened = await sealer.open(await sealer.seal(keyId, context, object), context);
        expect(JSON.stringify(opened)).toBe(JSON.stringify(object));
      }),
      { numRuns: 300 },
    );
  });

  it('given a sealed value, when it is looked at, then it names its version and key and shows nothing else', async () => {
    const sealed = await sealer.seal(keyId, CONTEXT, alice);
    expect(sealed).toMatch(new RegExp(`^v1\\.${keyId}\\.[A-Za-z0-9_-]+$`));
    const bytes = Buffer.from(sealed.split('.')[2] ?? '', 'base64url');
    expect(bytes).toHaveLength(12 + Buffer.byteLength(JSON.stringify(alice)) + 16);
    expect(bytes.includes('alice')).toBe(false);
  });

  it('given a value, when it is sealed again by another sealer on the store opened anew, then the bytes are the same', async () => {
    const reopened = await open();
    const again = await new Sealer(reopened).seal(keyId, CONTEXT, { ...alice });
    await reopened.close();
    expect(again).toBe(await sealer.seal(keyId, CONTEXT, alice));
  });

  it('given other values, contexts or keys, when they are sealed, then no two IVs are the same', async () => {
    const other = await store.assign();
    const sealed = await Promise.all([
      sealer.seal(keyId, CONTEXT, alice),
      sealer.seal(keyId, CONTEXT, { ...alice, age: 8 }),
      sealer.seal(keyId, 'tenantUser-2', alice),
      sealer.seal(other, CONTEXT, alice),
      sealer.seal(keyId, '', { a: 1 }),
      sealer.seal(keyId, '{', { a: 1 }),
    ]);
    expect(new Set(sealed.map((text) => text.split('.')[2]?.slice(0, 16))).size).toBe(sealed.length);
  });

  it('given a sealed value, when it is opened in another context, then it throws', async () => {
    const sealed = await sealer.seal(keyId, CONTEXT, alice);
    await expect(sealer.open(sealed, 'tenantUser-2')).rejects.toThrow('integrity');
  });

  it.each([1, 2, 3])(
    'given a sealed value padded by %d, when any one bit of its text is flipped, then it throws',
    async (padding) => {
      const sealed = Buffer.from(await sealer.seal(keyId, CONTEXT, { a: 'x'.repeat(padding) }));
      for (let bit = 0; bit < sealed.length * 8; bit++) {
        const altered = Buffer.from(sealed);
        altered.writeUInt8(altered.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
        await expect(sealer.open(altered.toString('latin1'), CONTEXT)).rejects.toThrow();
      }
    },
  );

  it.each(['', 'v1', 'v1.1', 'v1.1.', 'v1..AAAA', 'v2.1.AAAA', 'v1.1.AAAA', 'v1.1.AAAA.AAAA', '{}'])(
    'given the text %j, when it is opened, then it throws',
    async (text) => {
      await expect(sealer.open(text, CONTEXT)).rejects.toThrow();
    },
  );

  it('given a sealed value cut short anywhere, when it is opened, then it throws', async () => {
    const sealed = await sealer.seal(keyId, CONTEXT, alice);
    for (let length = 0; length < sealed.length; length++) {
      await expect(sealer.open(sealed.slice(0, length), CONTEXT)).rejects.toThrow();
    }
  });

  it('given a key in use, when it is destroyed, then its values open as null and nothing more is sealed', async () => {
    const doomed = await store.assign();
    const sealed = await sealer.seal(doomed, CONTEXT, alice);
    expect(await sealer.open(sealed, CONTEXT)).toEqual(alice);
    await store.destroy([doomed]);
    expect(await sealer.open(sealed, CONTEXT)).toBeNull();
    await expect(sealer.seal(doomed, CONTEXT, alice)).rejects.toMatchObject({ kind: 'illegal_state' });
  });

  it('given a key that was never made, when it is sealed under, then it throws', async () => {
    await expect(sealer.seal('999999', CONTEXT, alice)).rejects.toThrow('ever made');
  });
});
