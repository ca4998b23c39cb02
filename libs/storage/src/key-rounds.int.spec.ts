import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { KEYS_PART } from './protocol.js';
import { Storage } from './storage.js';

const root = mkdtempSync(join(tmpdir(), 'tenantry-key-rounds-'));
const keys = join(root, 'keys.db');
let storage: Storage;

const run = (...queries: [sql: string, ...parameters: unknown[]][]) =>
  storage.ask('queries', {
    part: KEYS_PART,
    queries: queries.map(([sql, ...parameters]) => ({ sql, parameters })),
  });

const rows = () => {
  const database = new DatabaseSync(keys, { readOnly: true });
  try {
    return database
      .prepare('SELECT name FROM beside ORDER BY name')
      .all()
      .map(({ name }) => name);
  } finally {
    database.close();
  }
};

describe('statements beside the keys', () => {
  beforeEach(async () => {
    storage = await Storage.open({ keys, masterKey: new Uint8Array(32) });
    await run(['DROP TABLE IF EXISTS beside'], ['CREATE TABLE beside (name TEXT PRIMARY KEY) STRICT']);
  });
  afterEach(() => storage.close());
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  const insert = (name: unknown): [string, unknown] => ['INSERT INTO beside VALUES (?)', name];

  it.each<[string, [string, ...unknown[]]]>([
    ['is no SQL', ['INSERT INTO']],
    ['names no table', ['INSERT INTO elsewhere VALUES (1)']],
    ['breaks a constraint', insert('first')],
    ['has no value that can be stored', insert({})],
  ])(
    'given one that %s, then it is refused with those that came with it, and nothing else is',
    async (_, bad) => {
      const outcomes = await Promise.allSettled([
        run(insert('first')),
        run(insert('second'), bad),
        storage.ask('insert-secret', { name: 'secret', wrapped: new Uint8Array(60) }),
        run(insert('third')),
      ]);
      expect(outcomes.map(({ status }) => status)).toEqual([
        'fulfilled',
        'rejected',
        'fulfilled',
        'fulfilled',
      ]);
      await run(insert('fourth'));
      expect(rows()).toEqual(['first', 'fourth', 'third']);
    },
  );

  it('given a fault that is not of the statement, then the storage stops', async () => {
    await run(['PRAGMA max_page_count = 1']);
    const filled = run(['INSERT INTO beside VALUES (hex(zeroblob(1000000)))']);
    await expect(filled).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(run(insert('later'))).rejects.toMatchObject({ kind: 'unavailable' });
  });
});
