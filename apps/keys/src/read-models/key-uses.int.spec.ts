import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { Kysely } from 'kysely';
import { unavailable } from '#kernel';
import type { AppLogger } from '#platform';
import type { ReadDatabase } from '#projections';
import { describeOnReadDatabases } from '#testing';
import { KeyRegistryProjection } from './key-registry.projection.js';
import { KeyUses } from './key-uses.js';
import type { KeyRow, KeyTables } from './tables.js';

const MOST = 50_000;
const at = (second: number) => new Date(Date.UTC(2026, 0, 15, 10, 0, second)).toISOString();
const key = (id: string, userId = 'alice') => ({ id, userId });

await describeOnReadDatabases('the uses of keys', ({ open }) => {
  let database: ReadDatabase;
  let uses: KeyUses;
  const told: object[] = [];
  const logger = {
    warn: (fields: object) => void told.push(fields),
    failure: (error: Error) => void told.push({ error: error.message }),
  } as unknown as AppLogger;

  const row = (id: string, userId: string, personal: string | null): KeyRow => ({
    id,
    platform_id: 'platform',
    tenant_id: 'tenant',
    user_id: userId,
    sequence: 1,
    key_hash: id,
    key_prefix: '',
    scopes: '[]',
    personal,
    revoked: 0,
    created_at: at(0),
    expires_at: null,
    ends_at: null,
  });
  const insert = (rows: KeyRow[]) => {
    const keys = database.reader<KeyTables>().insertInto('keys');
    return database.run([keys.values(rows)]);
  };
  const stored = async () => {
    const rows = await database.reader<KeyTables>().selectFrom('key_uses').selectAll().execute();
    return new Map(rows.map(({ key_id, last_used_at }) => [key_id, last_used_at]));
  };

  beforeEach(async () => {
    database = await open();
    told.length = 0;
    await database.write((transaction: Kysely<{ keys: KeyRow }>) =>
      new KeyRegistryProjection().createTables(transaction, async () => undefined),
    );
    uses = new KeyUses(database, logger);
    await uses.onModuleInit();
  });
  afterEach(async () => {
    await uses.onApplicationShutdown();
    await database.close();
  });

  it('when uses are stored, then the latest of each key that has a user, however many there are', async () => {
    const ids = Array.from({ length: 600 }, (_, number) => `key-${number}`);
    await insert(ids.map((id) => row(id, 'alice', 'sealed')));
    await insert([row('closed', 'bob', null)]);
    for (const id of [...ids, 'closed', 'never-made']) uses.note(key(id), at(2));
    await uses.flush();
    expect(await stored()).toEqual(new Map(ids.map((id) => [id, at(2)])));
    uses.note(key('key-1'), at(3));
    uses.note(key('key-2'), at(1));
    await uses.flush();
    const after = await stored();
    expect([after.get('key-1'), after.get('key-2')]).toEqual([at(3), at(2)]);
  });

  it('given a user who is forgotten while uses are being stored, then nothing is left', async () => {
    const ids = Array.from({ length: 300 }, (_, number) => `key-${number}`);
    await insert(ids.map((id) => row(id, 'alice', 'sealed')));
    for (const id of ids) uses.note(key(id), at(1));
    const storing = uses.flush();
    await uses.forget('alice');
    await storing;
    await uses.flush();
    expect(await stored()).toEqual(new Map());
    expect(uses.latest('key-299', null)).toBeNull();
  });

  it('while the database takes none, then the latest uses are kept, and how many were not is told', async () => {
    await insert([row('second', 'alice', 'sealed'), row('last', 'alice', 'sealed')]);
    const run = database.run;
    database.run = () => Promise.reject(unavailable('away'));
    uses.note(key('first'), at(1));
    uses.note(key('second'), at(2));
    for (let number = 0; number < MOST - 1; number++) uses.note(key(`key-${number}`), at(3));
    uses.note(key('second'), at(4));
    expect([uses.latest('first', null), uses.latest('second', null)]).toEqual([null, at(4)]);
    uses.note(key('last'), at(5));
    expect([uses.latest('key-0', null), uses.latest('second', null)]).toEqual([null, at(4)]);
    await expect(uses.flush()).rejects.toMatchObject({ code: 'unavailable' });
    await uses.onApplicationShutdown();
    expect(told).toEqual([{ error: 'away' }, { dropped: 2 }]);
    database.run = run;
    await uses.flush();
    expect(await stored()).toEqual(
      new Map([
        ['second', at(4)],
        ['last', at(5)],
      ]),
    );
  });
});
