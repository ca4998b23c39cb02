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
import type { SubjectKeyStore } from './subject-keys.js';

const STREAM = 'tenantUser-1';
const alice: JsonObject = {
  email: 'alice@example.com',
  names: ['Alice', 'Ålïcé 愛 🐇'],
  age: 7,
  label: null,
};

/** Sealed by the first format under 32 bytes of 1, for STREAM; it never changes. */
const FIRST = {
  sealed:
    'v1.1.y-gbj5ItNBaKcSX6PxGxDsK2qw6Fu_OnwcDnVuVgS0tXLDxWs6ah8xvkMccvWLXd9ij942ZFBqmONX8ILYIHIr8Zm1D7ALXhAp_XsiClxLTuYY2tdbOJaxuuZGu7G5s',
  value: { email: 'alice@example.com', label: null, names: ['Ålïcé 愛'] },
};
const keysOfFirst = { find: async () => new Uint8Array(32).fill(1) } as unknown as SubjectKeyStore;

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

  it('given any JSON object, stream and name, when it is sealed and opened, then it is the same', async () => {
    const values = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ stringUnit: 'binary' }));
    await fc.assert(
      fc.asyncProperty(values, fc.string({ unit: 'binary' }), fc.string(), async (value, stream, name) => {
        const object = value as { [key: string]: Json };
        const sealed = await sealer.seal(keyId, stream, object, name);
        const opened = await new Sealer(store).open(sealed, stream, { name });
        expect(JSON.stringify(opened)).toBe(JSON.stringify(object));
      }),
      { numRuns: 300 },
    );
  });

  it('given a sealed value, when it is looked at, then it names its version and key and shows nothing else', async () => {
    const sealed = await sealer.seal(keyId, STREAM, alice);
    expect(sealed).toMatch(new RegExp(`^v2\\.${keyId}\\.[A-Za-z0-9_-]+$`));
    const bytes = Buffer.from(sealed.split('.')[2] ?? '', 'base64url');
    expect(bytes).toHaveLength(12 + Buffer.byteLength(JSON.stringify(alice)) + 16);
    expect(bytes.includes('alice')).toBe(false);
  });

  it('given a value sealed often, then no two IVs are the same, and a sealer on the store opened anew opens all', async () => {
    const sealed = await Promise.all(Array.from({ length: 500 }, () => sealer.seal(keyId, STREAM, alice)));
    expect(new Set(sealed.map((text) => text.split('.')[2]?.slice(0, 16))).size).toBe(sealed.length);
    const reopened = await open();
    const opened = await Promise.all(sealed.map((text) => new Sealer(reopened).open(text, STREAM)));
    await reopened.close();
    expect(opened).toEqual(sealed.map(() => alice));
  });

  it.each([
    ['another stream', 'tenantUser-2', 'one'],
    ['another name', STREAM, 'two'],
    ['no name', STREAM, undefined],
    ['a name and a stream that read the same together', 'User-1', 'onetenant'],
  ])('given a sealed value, when it is opened for %s, then it throws', async (_, stream, name) => {
    const sealed = await sealer.seal(keyId, STREAM, alice, 'one');
    await expect(sealer.open(sealed, stream, name === undefined ? {} : { name })).rejects.toThrow(
      'integrity',
    );
    expect(await sealer.open(sealed, STREAM, { name: 'one' })).toEqual(alice);
  });

  it('given a value of the first format, then it opens for its stream, under any name, and nowhere else', async () => {
    const first = new Sealer(keysOfFirst);
    for (const name of ['personal', 'other']) {
      expect(await first.open(FIRST.sealed, STREAM, { name })).toEqual(FIRST.value);
    }
    await expect(first.open(FIRST.sealed, 'tenantUser-2')).rejects.toThrow('integrity');
    await expect(first.open(FIRST.sealed.replace('v1', 'v2'), STREAM)).rejects.toThrow('integrity');
    const second = await first.seal('1', STREAM, alice);
    await expect(first.open(second.replace('v2', 'v1'), STREAM)).rejects.toThrow('integrity');
    const other = { find: async () => new Uint8Array(32).fill(2) } as unknown as SubjectKeyStore;
    await expect(new Sealer(other).open(FIRST.sealed, STREAM)).rejects.toThrow('integrity');
    const destroyed = { find: async () => undefined } as unknown as SubjectKeyStore;
    expect(await new Sealer(destroyed).open(FIRST.sealed, STREAM)).toBeNull();
  });

  it('given a value of the first format, when any one bit of its text is flipped or it is cut, then it throws', async () => {
    const first = new Sealer(keysOfFirst);
    for (let bit = 0; bit < FIRST.sealed.length * 8; bit++) {
      // Its key's number: these keys are all the same.
      if (bit >> 3 === 3) continue;
      await expect(first.open(flipped(FIRST.sealed, bit), STREAM)).rejects.toThrow();
      await expect(first.open(FIRST.sealed.slice(0, bit >> 3), STREAM)).rejects.toThrow();
    }
  });

  it.each([1, 2, 3])(
    'given a sealed value padded by %d, when any one bit of its text is flipped, then it throws',
    async (padding) => {
      const sealed = await sealer.seal(keyId, STREAM, { a: 'x'.repeat(padding) });
      for (let bit = 0; bit < sealed.length * 8; bit++) {
        await expect(sealer.open(flipped(sealed, bit), STREAM)).rejects.toThrow();
      }
    },
  );

  it.each([
    '',
    'v2',
    'v2.1',
    'v2.1.',
    'v2..AAAA',
    'v3.1.AAAA',
    'v1.1.AAAA',
    'v2.1.AAAA',
    'v2.1.AAAA.AAAA',
    '{}',
  ])('given the text %j, when it is opened, then it throws', async (text) => {
    await expect(sealer.open(text, STREAM)).rejects.toThrow();
  });

  it('given a sealed value cut short anywhere, when it is opened, then it throws', async () => {
    const sealed = await sealer.seal(keyId, STREAM, alice);
    for (let length = 0; length < sealed.length; length++) {
      await expect(sealer.open(sealed.slice(0, length), STREAM)).rejects.toThrow();
    }
  });

  it('given a key in use, when it is destroyed, then its values open as null and nothing more is sealed', async () => {
    const doomed = await store.assign();
    const sealed = await sealer.seal(doomed, STREAM, alice);
    expect(await sealer.open(sealed, STREAM)).toEqual(alice);
    await store.destroy([doomed]);
    expect(await sealer.open(sealed, STREAM)).toBeNull();
    await expect(sealer.seal(doomed, STREAM, alice)).rejects.toMatchObject({ kind: 'illegal_state' });
  });

  it('given a key that was never made, when it is sealed under, then it throws', async () => {
    await expect(sealer.seal('999999', STREAM, alice)).rejects.toThrow('cannot be opened');
  });
});

function flipped(text: string, bit: number): string {
  const bytes = Buffer.from(text);
  bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
  return bytes.toString('latin1');
}
