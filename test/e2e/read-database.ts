import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';
import { partFile } from '../../libs/projections/src/sqlite/part-files.js';
import { isSplit, tenantUsersDir } from '../../libs/testing/src/service-process.js';

const schemaOf = (dataDir: string): string =>
  `e2e_${createHash('sha256').update(dataDir).digest('hex').slice(0, 12)}`;

/** Where the read models of users are: each service in a process of its own has a schema of its own. */
const readModelsOf = (dataDir: string): string =>
  isSplit ? `${schemaOf(dataDir)}_svc_tenant_users` : schemaOf(dataDir);

/** Where the service of a data dir keeps read models and keys: a schema of the server that DATABASE_URL names. */
export function databaseUrl(dataDir: string): string | undefined {
  if (!process.env.DATABASE_URL) return undefined;
  const url = new URL(process.env.DATABASE_URL);
  url.searchParams.set('schema', schemaOf(dataDir));
  return url.href;
}

/** Changes the read models of a data dir's service behind its back, whichever engine they are on. */
export async function changeReadModels(
  dataDir: string,
  statements: readonly string[],
  projection = 'user-directory',
): Promise<void> {
  if (process.env.DATABASE_URL)
    return onServer((client) =>
      client.query(`set search_path = ${readModelsOf(dataDir)}; ${statements.join(';')}`),
    );
  const path = partFile(join(tenantUsersDir(dataDir), 'read'), projection);
  const file = new DatabaseSync(path, { timeout: 2_000 });
  file.exec(statements.join(';'));
  file.close();
}

/** Removes what the services of these data dirs have on the server. */
export async function dropSchemas(dataDirs: readonly string[]): Promise<void> {
  if (!process.env.DATABASE_URL || dataDirs.length === 0) return;
  await onServer(async (client) => {
    for (const dir of dataDirs) {
      const text = 'select nspname from pg_namespace where nspname ~ $1';
      const { rows } = await client.query<{ nspname: string }>(text, [`^${schemaOf(dir)}(_|$)`]);
      for (const { nspname } of rows) await client.query(`drop schema ${nspname} cascade`);
    }
  });
}

async function onServer(work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client(process.env.DATABASE_URL);
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
