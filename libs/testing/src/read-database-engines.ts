import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from '@jest/globals';
import { sql } from 'kysely';
import { PostgresReadDatabase, type ReadDatabase, SqliteReadDatabase } from '#projections';
import { hasPostgres, type PostgresServer, schemaUrl, startPostgres } from './postgres-server.js';

export interface ReadDatabaseEngine {
  dialect: ReadDatabase['dialect'];
  /** A fresh, empty one each time; the caller closes it. */
  open(): Promise<ReadDatabase>;
}

/** Registers the same tests on both engines; those on PostgreSQL count as skipped where there is none. */
export function describeOnReadDatabases(title: string, body: (engine: ReadDatabaseEngine) => void): void {
  describe(`${title} on SQLite`, () => {
    let folder: string;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'tenantry-read-'));
    });
    afterAll(() => rm(folder, { recursive: true }));
    const open = async () => SqliteReadDatabase.open(join(folder, `${randomUUID()}.db`));
    body({ dialect: 'sqlite', open });
  });
  (hasPostgres() ? describe : describe.skip)(`${title} on PostgreSQL`, () => {
    let server: PostgresServer;
    beforeAll(async () => {
      server = await startPostgres();
    });
    afterAll(() => server.dispose());
    body({ dialect: 'postgres', open: () => PostgresReadDatabase.open(schemaUrl(server.url)) });
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
