import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { describeSnapshotStore } from '#testing';
import { SnapshotTable } from './snapshot-table.js';

describeSnapshotStore('SQLite table', async () => {
  const database = new DatabaseSync(':memory:');
  const table = new SnapshotTable(database);
  return {
    store: {
      find: async (stream, version) => table.find(stream, version),
      put: async (snapshot) => table.put(snapshot),
    },
    dispose: async () => database.close(),
  };
});

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
    const found = () =>
      ['budget-1', 'budget-2', 'keyring-1', 'rateLimits-1'].filter((stream) => table.find(stream, 1));
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
    expect(new SnapshotTable(database).find('budget-1', 1)).toEqual(snapshotOf('budget-1', '1'));
  });
});
