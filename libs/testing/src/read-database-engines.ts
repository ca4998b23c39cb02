import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from '@jest/globals';
import { sql } from 'kysely';
import { PostgresReadDatabase, type ReadDatabase, SqliteReadDatabase } from '#projections';
import { onPostgres } from './back-ends/on-back-end.js';

export interface ReadDatabaseEngine {
  dialect: ReadDatabase['dialect'];
  /** A fresh, empty one each time; the caller closes it. */
  open(): Promise<ReadDatabase>;
}

/** The URL of a schema of its own on the server. */
export function schemaUrl(url: string, schema = `t_${randomBytes(8).toString('hex')}`): string {
  const address = new URL(url);
  address.searchParams.set('schema', schema);
  return address.href;
}

/** Defines the same tests over both engines, to be awaited at the top of a spec file. */
export async function describeOnReadDatabases(
  title: string,
  body: (engine: ReadDatabaseEngine) => void,
): Promise<void> {
  describe(`${title} on SQLite`, () => {
    let folder: string;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'tenantry-read-'));
    });
    afterAll(() => rm(folder, { recursive: true }));
    const open = async () => SqliteReadDatabase.open(join(folder, `${randomUUID()}.db`));
    body({ dialect: 'sqlite', open });
  });
  await onPostgres(({ setting }) => {
    describe(`${title} on PostgreSQL`, () => {
      body({ dialect: 'postgres', open: () => PostgresReadDatabase.open(schemaUrl(setting)) });
    });
  });
}

/** The names of its tables, and how many indexes it has. */
export async function tablesAndIndexes(
  database: ReadDatabase,
): Promise<{ tables: string[]; indexes: number }> {
  const objects =
    database.dialect === 'sqlite'
      ? sql<{ type: string; name: string }>`select type, name from sqlite_master`
      : sql<{ type: string; name: string }>`
          select case relkind when 'r' then 'table' when 'i' then 'index' else 'other' end as type, relname as name
          from pg_class where relnamespace = current_schema()::regnamespace`;
  const { rows } = await objects.execute(database.reader());
  const names = (type: string) => rows.filter((row) => row.type === type).map((row) => row.name);
  return { tables: names('table').sort(), indexes: names('index').length };
}
