import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Kysely, sql } from 'kysely';
import { describeReadDatabase, onPostgres, schemaUrl } from '#testing';
import { prepareQuery, type SlotOf } from '../prepared-query.js';
import { PostgresReadDatabase } from './postgres-read-database.js';

interface Schema {
  people: { id: number; name: string };
}

const describeOwnWays = (server: string) => {
  let database: PostgresReadDatabase;
  const run = (statement: string) => database.write((transaction) => sql.raw(statement).execute(transaction));

  beforeEach(async () => {
    database = await PostgresReadDatabase.open(schemaUrl(server));
    await database.write<Schema, void>(({ schema }) =>
      schema
        .createTable('people')
        .addColumn('id', 'bigint', (column) => column.primaryKey())
        .addColumn('name', 'text', (column) => column.notNull())
        .execute(),
    );
  });
  afterEach(() => database.close());

  it('given text, when ordered and compared, then bytes decide', async () => {
    const names = ['Z', 'a', '_', 'ä', 'B', 'Ω', '-', '1', '𝔘', '\uffff'];
    await database.write<Schema, unknown>((transaction) =>
      transaction
        .insertInto('people')
        .values(names.map((name, id) => ({ id, name })))
        .execute(),
    );
    const people = database.reader<Schema>().selectFrom('people').select('name').orderBy('name');
    const inBytes = names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect((await people.execute()).map(({ name }) => name)).toEqual(inBytes);
    const later = await people.where('name', '>', 'Z').execute();
    expect(later.map(({ name }) => name)).toEqual(inBytes.slice(inBytes.indexOf('Z') + 1));
  });

  it('given a prepared query, when the tables are replaced by others, then it goes on', async () => {
    const byId = prepareQuery(database, (db: Kysely<Schema>, slot: SlotOf<{ id: number }>) =>
      db.selectFrom('people').selectAll().where('id', '=', slot('id')),
    );
    await run(`insert into people values (1, 'one')`);
    expect(await Promise.all([1, 1, 2].map((id) => byId({ id })))).toEqual([
      [{ id: 1, name: 'one' }],
      [{ id: 1, name: 'one' }],
      [],
    ]);
    await run('alter table people add column age bigint');
    for (let round = 0; round < 20; round += 1) {
      expect(await byId({ id: 1 })).toEqual([{ id: 1, name: 'one', age: null }]);
    }
  });

  it('when the connections are cut, then what is under way is unavailable and the next works', async () => {
    const cut = () =>
      run(`select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = 'tenantry' and pid <> pg_backend_pid()`);
    const slow = sql`select pg_sleep(30)`.execute(database.reader());
    const refused = expect(slow).rejects.toMatchObject({ kind: 'unavailable' });
    while ((await count(`query like '%pg_sleep(30)%' and pid <> pg_backend_pid()`)) === 0);
    await cut();
    await refused;
    // Connections that were idle when they were cut are found out one by one.
    const isReady = () =>
      database.ready().then(
        () => true,
        () => false,
      );
    while (!(await isReady()));
    const own = database.write((transaction) =>
      sql`select pg_terminate_backend(pg_backend_pid())`.execute(transaction),
    );
    await expect(own).rejects.toMatchObject({ kind: 'unavailable' });
    await run(`insert into people values (1, 'one')`);
  });

  it('given tables that nobody made, when read, then they are not available yet', async () => {
    await expect(sql`select * from strangers`.execute(database.reader())).rejects.toMatchObject({
      kind: 'unavailable',
    });
    await expect(run('insert into strangers values (1)')).rejects.not.toHaveProperty('kind');
  });

  it.each([undefined, new Date(0)])('given %p as a parameter, then it refuses', async (value) => {
    const statement = sql`select ${value as unknown as string} as value`;
    await expect(statement.execute(database.reader())).rejects.toThrow(TypeError);
  });

  const count = async (condition: string) => {
    const { rows } = await sql<{ count: number }>`
      select count(*) as count from pg_stat_activity where ${sql.raw(condition)}`.execute(database.reader());
    return rows[0]?.count ?? 0;
  };
};

await onPostgres(({ setting }) => {
  describeReadDatabase(
    'postgres',
    async () => {
      const database = await PostgresReadDatabase.open(schemaUrl(setting));
      return { database, dispose: () => database.close() };
    },
    { textHoldsNul: false, readsInWrites: true },
  );
  describe('PostgresReadDatabase', () => describeOwnWays(setting));
});
