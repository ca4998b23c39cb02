import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { KeyFile } from './key-file.js';
import { KeyReader } from './key-reader.js';

let folder: string;
let keys: KeyFile;
let reader: KeyReader;
const insert = (id: number) => keys.transaction(() => keys.insert(id, randomBytes(60)));

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tenantry-key-reader-'));
  keys = new KeyFile(join(folder, 'keys.db'));
  reader = new KeyReader(join(folder, 'keys.db'), { together: true });
});
afterEach(() => {
  reader.close();
  keys.close();
  rmSync(folder, { recursive: true });
});

it('reads together what it is asked for without a pause, and afterwards what was committed meanwhile', async () => {
  insert(1);
  expect(reader.key(1)).toBeDefined();
  insert(2);
  expect(reader.key(2)).toBeUndefined();
  await undefined;
  expect(reader.key(2)).toBeDefined();
});

it('once nothing is read any more, then it keeps nobody from cutting the journal', async () => {
  insert(1);
  reader.key(1);
  await undefined;
  expect(keys.truncate()).toBe(true);
});
