import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '#kernel';
import type { ClaimedKeys } from '#worker/event-store';
import { checkedInstallation } from './installation.js';
import { Storage } from './storage.js';

const root = mkdtempSync(join(tmpdir(), 'tenantry-installation-'));
const live = { log: join(root, 'log.db'), keys: join(root, 'keys.db') };
let storage: Storage;
let lastKey = 0;

const open = ({ log, keys } = live) =>
  Storage.open({
    log: { file: log, positions: undefined },
    keys,
    masterKey: new Uint8Array(32),
    paired: true,
  });

/** What a kill at this moment would leave of a file. */
function keep(name: string): void {
  for (const file of ['log.db', 'log.db-wal', 'keys.db', 'keys.db-wal']) {
    cpSync(join(root, file), join(root, name, file));
  }
}

const makeKey = () => storage.ask('insert-key', { id: ++lastKey, key: new Uint8Array(32) });

async function append(claimed?: ClaimedKeys): Promise<void> {
  const row = [String(lastKey), 'user.v1', '2026-11-30T00:00:00.000Z', '{}', '{}'];
  const request = { stream: `user-${claimed?.holder ?? lastKey}`, expected: -1, rows: [row] };
  await storage.ask('append', { request: request as never, claimed });
}

/** Of everybody for whom something was claimed. */
function holders(keys: string): string[] {
  const database = new DatabaseSync(keys, { readOnly: true });
  const rows = database.prepare('SELECT holder FROM identifiers ORDER BY holder').all();
  database.close();
  return rows.map(({ holder }) => String(holder));
}

const pair = (keys: string, log: string) => () =>
  checkedInstallation({ log: join(root, log, 'log.db'), keys: join(root, keys, 'keys.db') });

describe('the files of keys and log, as kills and backups leave them', () => {
  beforeAll(async () => {
    storage = await open();
    await storage.ask('insert-secret', { name: 'master-key-check', wrapped: new Uint8Array(60) });
    keep('fresh');
    await makeKey();
    keep('first key');
    await append();
    keep('first event');
    await makeKey();
    keep('second key');
    await append();
    keep('second event');
    await storage.close();
    storage = await open();
    await makeKey();
    keep('third key');
  });
  afterAll(async () => {
    await storage.close();
    rmSync(root, { recursive: true, force: true });
  });

  it.each([
    ['fresh', 'fresh'],
    ['first key', 'fresh'],
    ['first event', 'first event'],
    ['first key', 'first event'],
    ['second key', 'first event'],
    ['second event', 'second event'],
    ['third key', 'third key'],
  ])('given keys after the %s and a log after the %s, then they are accepted', (keys, log) => {
    expect(pair(keys, log)()).toBe(pair('fresh', 'fresh')());
  });

  it.each([
    ['fresh', 'first event'],
    ['first key', 'second event'],
    ['second event', 'third key'],
  ])('given keys after the %s and a log after the %s, then the keys are too old', (keys, log) => {
    expect(pair(keys, log)).toThrow(/keys\.db is older than .+log\.db: it covers the log up to position \d/);
  });

  it.each([
    ['second key', 'fresh'],
    ['third key', 'first event'],
    ['third key', 'no such folder'],
  ])('given keys after the %s and a log after the %s, then the log is too old', (keys, log) => {
    expect(pair(keys, log)).toThrow(/log\.db is older than .+keys\.db/);
  });

  it('given a kill while the log was made, then what was under way is undone', () => {
    const [making, left] = [join(root, 'making.db'), join(root, 'left.db')];
    const database = new DatabaseSync(making);
    // So that pages are written before the commit.
    database.exec('PRAGMA cache_size = 1; CREATE TABLE text (value BLOB); BEGIN');
    const insert = database.prepare('INSERT INTO text VALUES (zeroblob(10000))');
    for (let count = 0; count < 100; count += 1) insert.run();
    for (const suffix of ['', '-journal']) cpSync(making + suffix, left + suffix);
    database.close();
    expect(checkedInstallation({ log: left, keys: join(root, 'none.db') })).toMatch(/^[\da-f-]{36}$/);
  });

  it('given a kill between keys and log, then what was claimed for a stream that never began is free', async () => {
    const ids = [newId(), newId(), newId()].sort();
    const claim = (index: number) =>
      append({ holder: ids[index]!, revision: 0, keys: [new Uint8Array(16).fill(index)] });
    await claim(0);
    await Promise.all([claim(1), makeKey()]);
    keep('before');
    await claim(2);
    keep('after');
    const killed = { log: join(root, 'before', 'log.db'), keys: join(root, 'after', 'keys.db') };
    await (await open(killed)).close();
    expect(holders(killed.keys)).toEqual(ids.slice(0, 2));
    expect(readFileSync(killed.keys).includes(ids[2]!)).toBe(false);
    const whole = { log: join(root, 'after', 'log.db'), keys: join(root, 'whole', 'keys.db') };
    keep('whole');
    await (await open(whole)).close();
    expect(holders(whole.keys)).toEqual(ids);
  });
});
