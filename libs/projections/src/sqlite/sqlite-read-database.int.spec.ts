import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Kysely, sql } from 'kysely';
import { describeReadDatabase, openEmbeddedReads } from '#testing';
import { prepareQuery, type SlotOf } from '../prepared-query.js';
import { SqliteReadDatabase } from './sqlite-read-database.js';

async function harness() {
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-read-'));
  const database = SqliteReadDatabase.open(join(folder, 'read.db'));
  const dispose = async () => {
    await database.close();
    await rm(folder, { recursive: true });
  };
  return { folder, database, dispose };
}

describeReadDatabase('sqlite', harness);

describeReadDatabase(
  'sqlite, written by another thread',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tenantry-read-'));
    const database = await openEmbeddedReads(folder);
    const dispose = async () => {
      await database.close();
      await rm(folder, { recursive: true });
    };
    return { database, dispose };
  },
  { textHoldsNul: true, readsInWrites: false },
);

describe('SqliteReadDatabase', () => {
  let test: Awaited<ReturnType<typeof harness>>;
  interface Schema {
    people: { id: number; name: string; age: number };
  }
  beforeEach(async () => {
    test = await harness();
    await test.database.write(async (transaction) => {
      await sql`create table people (id integer primary key, name text, age integer)`.execute(transaction);
      await sql`create index people_name on people (name)`.execute(transaction);
    });
  });
  afterEach(() => test.dispose());

  const insert = (from: number, to: number, name: (id: number) => string) =>
    test.database.write<Schema, void>(async (transaction) => {
      for (let id = from; id < to; id += 1) {
        await transaction
          .insertInto('people')
          .values({ id, name: name(id), age: id % 90 })
          .execute();
      }
    });

  it('while another process writes, then a write is unavailable and succeeds afterwards', async () => {
    const other = new DatabaseSync(join(test.folder, 'read.db'));
    other.exec('begin immediate');
    await expect(insert(1, 2, String)).rejects.toMatchObject({ kind: 'unavailable' });
    other.exec('commit');
    other.close();
    await expect(insert(1, 2, String)).resolves.toBeUndefined();
  });

  it('when the file is no database, then opening it fails', async () => {
    await insert(1, 2, String);
    expect(() => SqliteReadDatabase.open(import.meta.filename)).toThrow('not a database');
  });

  it('when more queries are run than statements are kept, then all answer', async () => {
    await insert(0, 10, String);
    for (let id = 0; id < 600; id += 1) {
      const text = sql<{ found: number }>`select ${sql.lit(id)} as found from people where id = 1`;
      expect((await text.execute(test.database.reader())).rows[0]?.found).toBe(id);
    }
  });

  it('given a prepared query with constants and a parameter used twice, when run, then each run has its own values', async () => {
    await insert(0, 100, (id) => `person ${id}`);
    const older = prepareQuery(
      test.database,
      (database: Kysely<Schema>, slot: SlotOf<{ age: number; name: string }>) =>
        database
          .selectFrom('people')
          .select(['id', 'age'])
          .where('age', '>=', slot('age'))
          .where((where) => where.or([where('name', '=', slot('name')), where('age', '=', slot('age'))]))
          .orderBy('id')
          .limit(2),
    );
    expect(await older({ age: 5, name: 'person 7' })).toEqual([
      { id: 5, age: 5 },
      { id: 7, age: 7 },
    ]);
    const [first, second] = await Promise.all([
      older({ age: 88, name: 'none' }),
      older({ age: 1, name: 'none' }),
    ]);
    expect(first).toEqual([{ id: 88, age: 88 }]);
    expect(second).toEqual([
      { id: 1, age: 1 },
      { id: 91, age: 1 },
    ]);
  });
});
