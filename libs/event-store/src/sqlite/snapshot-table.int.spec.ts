import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SnapshotReader, SnapshotTable } from './snapshot-table.js';

describe('the table of snapshots', () => {
  let database: DatabaseSync;
  beforeEach(() => {
    database = new DatabaseSync(':memory:');
  });
  afterEach(() => database.close());

  const snapshotOf = (stream: string, keyId: string) => ({
    stream,
    version: 1,
    revision: 9,
    keyId,
    sealed: 'x',
  });

  it('given keys that are destroyed, then theirs go with them, and come back with the transaction', () => {
    const table = new SnapshotTable(database);
    for (const [stream, key] of [
      ['budget-1', '1'],
      ['budget-2', '2'],
      ['keyring-1', '1'],
      ['rateLimits-1', 'service'],
    ]) {
      table.put(snapshotOf(stream ?? '', key ?? ''));
    }
    const reader = new SnapshotReader(database);
    const found = () =>
      ['budget-1', 'budget-2', 'keyring-1', 'rateLimits-1'].filter((stream) => reader.find(stream, 1));
    database.exec('BEGIN');
    table.deleteOfKeys(['1', '3']);
    expect(found()).toEqual(['budget-2', 'rateLimits-1']);
    database.exec('ROLLBACK');
    expect(found()).toHaveLength(4);
    table.deleteOfKeys(['1', '3']);
    expect(found()).toEqual(['budget-2', 'rateLimits-1']);
  });

  it('given a database that has the table, then what it holds stays', () => {
    new SnapshotTable(database).put(snapshotOf('budget-1', '1'));
    new SnapshotTable(database);
    expect(new SnapshotReader(database).find('budget-1', 1)).toEqual(snapshotOf('budget-1', '1'));
  });
});
