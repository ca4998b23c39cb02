import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import type { ReadDatabase } from '#projections';

export interface ReadDatabaseHarness {
  database: ReadDatabase;
  /** Closes the database and removes what it kept. */
  dispose(): Promise<void>;
}

export interface ReadDatabaseLimits {
  /** PostgreSQL's text can't hold U+0000. */
  textHoldsNul: boolean;
  /** Where another thread writes, a transaction is sent there as a whole: until then nothing of it can be read. */
  readsInWrites: boolean;
}

interface Schema {
  notes: {
    id: number;
    body: string | null;
    large: number | null;
    flag: number | boolean | null;
    bytes: Uint8Array | null;
  };
}

/** What every read database must do (see the port). `factory` answers a fresh, empty one each time. */
export function describeReadDatabase(
  name: string,
  factory: () => Promise<ReadDatabaseHarness>,
  limits: ReadDatabaseLimits = { textHoldsNul: true, readsInWrites: true },
): void {
  describe(`read database: ${name}`, () => {
    let harness: ReadDatabaseHarness;
    let database: ReadDatabase;

    const insert = (id: number, body: string | null = null) =>
      database.write<Schema, void>(async (transaction) => {
        await transaction
          .insertInto('notes')
          .values({ id, body, large: null, flag: null, bytes: null })
          .execute();
      });
    const ids = async () => {
      const rows = await database.reader<Schema>().selectFrom('notes').select('id').orderBy('id').execute();
      return rows.map((row) => row.id);
    };

    beforeEach(async () => {
      harness = await factory();
      database = harness.database;
      const bytes = database.dialect === 'sqlite' ? sql`blob` : sql`bytea`;
      await database.write<Schema, void>((transaction) =>
        transaction.schema
          .createTable('notes')
          .addColumn('id', 'integer', (column) => column.primaryKey())
          .addColumn('body', 'text')
          .addColumn('large', 'bigint')
          .addColumn('flag', 'integer')
          .addColumn('bytes', bytes)
          .execute(),
      );
    });
    afterEach(() => harness.dispose());

    describeTransactions(() => ({ database, insert, ids }));
    if (limits.readsInWrites) describeTransactionsThatRead(() => ({ database, insert, ids }));
    describeRuns(() => ({ database, insert, ids }));
    describeSwap(() => ({ database, insert, ids }));
    describeValues(() => database, limits);
  });
}

interface Notes {
  database: ReadDatabase;
  insert(id: number, body?: string | null): Promise<void>;
  ids(): Promise<number[]>;
}

function describeTransactions(get: () => Notes): void {
  it('when a write resolves, then the reader sees all of it', async () => {
    const { insert, ids } = get();
    await Promise.all([insert(1), insert(2)]);
    expect(await ids()).toEqual([1, 2]);
  });

  it('when the work rejects, then nothing of it is stored and the next write goes on', async () => {
    const { database, insert, ids } = get();
    const failing = database.write<Schema, void>(async (transaction) => {
      await transaction.deleteFrom('notes').execute();
      await transaction.insertInto('notes').values({ id: 9, body: null }).execute();
      throw new Error('changed my mind');
    });
    await expect(Promise.all([insert(1), failing])).rejects.toThrow('changed my mind');
    await insert(2);
    expect((await ids()).includes(9)).toBe(false);
    expect(await ids()).toEqual(expect.arrayContaining([2]));
  });

  it('when a statement fails, then the whole write is rolled back', async () => {
    const { database, insert, ids } = get();
    await insert(1);
    const failing = database.write<Schema, void>(async (transaction) => {
      await transaction.insertInto('notes').values({ id: 2, body: null }).execute();
      await transaction.insertInto('notes').values({ id: 1, body: null }).execute();
    });
    await expect(failing).rejects.toThrow();
    expect(await ids()).toEqual([1]);
  });

  it('while a write is open, then the reader answers at once with what is committed', async () => {
    const { database, insert, ids } = get();
    await insert(1);
    const gate = Promise.withResolvers<void>();
    const inside = Promise.withResolvers<void>();
    const open = database.write<Schema, void>(async (transaction) => {
      await transaction.insertInto('notes').values({ id: 2, body: null }).execute();
      await transaction.deleteFrom('notes').where('id', '=', 1).execute();
      inside.resolve();
      await gate.promise;
    });
    await inside.promise;
    expect(await ids()).toEqual([1]);
    gate.resolve();
    await open;
    expect(await ids()).toEqual([2]);
  });

  it('when a write fails after creating a table, then the table is gone too', async () => {
    const { database, insert } = get();
    const create = (fail: boolean) =>
      database.write(async (transaction) => {
        await transaction.schema.createTable('extra').addColumn('id', 'integer').execute();
        if (fail) throw new Error('no table after all');
      });
    await expect(create(true)).rejects.toThrow('no table after all');
    await insert(1);
    await expect(create(false)).resolves.toBeUndefined();
  });

  it('when closed, then reads and writes are unavailable', async () => {
    const { database, insert, ids } = get();
    await expect(database.ready()).resolves.toBeUndefined();
    await database.close();
    await expect(ids()).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(insert(1)).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(database.ready()).rejects.toMatchObject({ kind: 'unavailable' });
  });
}

function describeRuns(get: () => Notes): void {
  const note = (id: number, body: string | null = null) =>
    get()
      .database.reader<Schema>()
      .insertInto('notes')
      .values({ id, body, large: null, flag: null, bytes: null });
  const bodies = async () => {
    const rows = get().database.reader<Schema>().selectFrom('notes').select('body').orderBy('id');
    return (await rows.execute()).map(({ body }) => body);
  };

  it('when queries are run, then all are done in their order, and the reader sees them', async () => {
    const { database } = get();
    const reader = database.reader<Schema>();
    await database.run([
      note(1, 'first'),
      reader.updateTable('notes').set({ body: 'changed' }).where('id', '=', 1),
      note(2, 'second'),
      reader.deleteFrom('notes').where('body', '=', 'first'),
    ]);
    expect(await bodies()).toEqual(['changed', 'second']);
    await expect(database.run([])).resolves.toBeUndefined();
  });

  it('when a query inserts what it selects, then only where that exists', async () => {
    const { database, insert, ids } = get();
    const reader = database.reader<Schema>();
    await insert(1, 'there');
    const copy = (id: number, of: number) =>
      reader
        .insertInto('notes')
        .columns(['id', 'body'])
        .expression(
          reader
            .selectFrom('notes')
            .select((row) => [row.val(id).as('id'), 'body'])
            .where('id', '=', of),
        );
    await database.run([copy(11, 1), copy(12, 2)]);
    expect(await ids()).toEqual([1, 11]);
    expect(await bodies()).toEqual(['there', 'there']);
  });

  it('when one of the queries fails, then none is done, and the next write goes on', async () => {
    const { database, insert, ids } = get();
    await insert(1);
    await expect(database.run([note(2), note(1), note(3)])).rejects.toThrow();
    await insert(4);
    expect(await ids()).toEqual([1, 4]);
  });

  it('when they come among writes, then all take turns in the order of the calls', async () => {
    const { database, insert } = get();
    const add = (letter: string) => ({ body: sql<string>`body || ${letter}` });
    const reader = database.reader<Schema>();
    await Promise.all([
      insert(1, 'a'),
      database.run([reader.updateTable('notes').set(add('b'))]),
      database.write<Schema, unknown>((transaction) =>
        transaction.updateTable('notes').set(add('c')).execute(),
      ),
      database.of('').run([reader.updateTable('notes').set(add('d'))]),
    ]);
    expect(await bodies()).toEqual(['abcd']);
  });

  it('given values of every kind, when they are run, then they are stored as a write stores them', async () => {
    const { database } = get();
    const bytes = Uint8Array.of(0, 255);
    const row = { id: 1, body: `'"; --`, large: 2 ** 53 - 1, flag: true, bytes };
    await database.run([database.reader<Schema>().insertInto('notes').values(row)]);
    const found = await database.reader<Schema>().selectFrom('notes').selectAll().executeTakeFirstOrThrow();
    expect({ ...found, bytes: [...(found.bytes ?? [])] }).toEqual({ ...row, flag: 1, bytes: [0, 255] });
  });

  it('when the database is closed, then they are unavailable', async () => {
    const { database } = get();
    const queries = [note(1)];
    await database.close();
    await expect(database.run(queries)).rejects.toMatchObject({ kind: 'unavailable' });
  });
}

function describeTransactionsThatRead(get: () => Notes): void {
  it('when many write at once, then they run one after the other in the order of the calls', async () => {
    const { database } = get();
    const steps: string[] = [];
    const write = (label: number) =>
      database.write<Schema, void>(async (transaction) => {
        steps.push(`begin ${label}`);
        await transaction.selectFrom('notes').selectAll().execute();
        await new Promise(setImmediate);
        steps.push(`end ${label}`);
      });
    await Promise.all([write(1), write(2), write(3)]);
    expect(steps).toEqual(['begin 1', 'end 1', 'begin 2', 'end 2', 'begin 3', 'end 3']);
  });

  it('when a transaction is used after its end, then it refuses', async () => {
    const { database, ids } = get();
    const kept = await database.write<Schema, () => Promise<unknown>>(
      async (transaction) => () => transaction.insertInto('notes').values({ id: 7, body: null }).execute(),
    );
    await expect(kept()).rejects.toThrow();
    expect(await ids()).toEqual([]);
  });
}

function describeSwap(get: () => Notes): void {
  it('when tables are swapped under steady reads, then no read fails and none sees a mixture', async () => {
    const { database, insert } = get();
    await insert(1, 'generation 0');
    const reader = database.reader<Schema>();
    const seen = new Set<string | null>();
    let swapping = true;
    const read = async () => {
      while (swapping) {
        const rows = await reader.selectFrom('notes').select('body').execute();
        const raw = await sql<{ body: string }>`select * from notes`.execute(reader);
        expect([rows.length, raw.rows.length]).toEqual([1, 1]);
        for (const row of [...rows, ...raw.rows]) seen.add(row.body);
        await new Promise(setImmediate);
      }
    };
    const reading = [read(), read()];
    for (let generation = 1; generation <= 20; generation += 1) {
      await database.write(async (transaction) => {
        await sql`create table fresh (id integer primary key, body text)`.execute(transaction);
        await sql`insert into fresh (id, body) values (1, ${`generation ${generation}`})`.execute(
          transaction,
        );
        await new Promise(setImmediate);
        await transaction.schema.dropTable('notes').execute();
        await new Promise(setImmediate);
        await transaction.schema.alterTable('fresh').renameTo('notes').execute();
      });
    }
    swapping = false;
    await Promise.all(reading);
    expect(seen.size).toBeGreaterThan(2);
  });
}

function describeValues(get: () => ReadDatabase, limits: ReadDatabaseLimits): void {
  const roundTrip = async (row: Partial<Schema['notes']>) => {
    await get().write<Schema, void>(async (transaction) => {
      await transaction
        .insertInto('notes')
        .values({ id: 1, ...row })
        .execute();
    });
    const notes = get().reader<Schema>().selectFrom('notes');
    return notes.selectAll().executeTakeFirstOrThrow();
  };

  it.each([0, -1, 2 ** 31, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER])(
    'given the integer %d, when read, then it is the same number',
    async (large) => {
      expect((await roundTrip({ large })).large).toBe(large);
    },
  );

  it.each([
    ['empty', ''],
    ['quotes', `'"\\ -- ; ?`],
    ['beyond the basic plane', '𝔘𝔫𝔦 👩‍👩‍👧 \u202e ﷽'],
    ['JSON', JSON.stringify({ a: [1, null, 'ü'], b: {} })],
    ...(limits.textHoldsNul ? [['NUL', 'before\u0000after']] : []),
  ])('given text (%s), when read, then it is the same text', async (_, body = '') => {
    expect((await roundTrip({ body })).body).toBe(body);
  });

  it.each([true, false])('given the boolean %s, when read, then it is 1 or 0', async (flag) => {
    expect((await roundTrip({ flag })).flag).toBe(Number(flag));
  });

  it('given bytes and nulls, when read, then they are the same', async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    const row = await roundTrip({ bytes });
    expect(Buffer.from(row.bytes ?? []).equals(bytes)).toBe(true);
    expect([row.body, row.large, row.flag]).toEqual([null, null, null]);
  });
}
