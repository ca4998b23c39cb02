import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';

const schemaOf = (dataDir: string): string =>
  `e2e_${createHash('sha256').update(dataDir).digest('hex').slice(0, 16)}`;

/** Where the service of a data dir keeps read models and keys: a schema of the server that DATABASE_URL names. */
export function databaseUrl(dataDir: string): string | undefined {
  if (!process.env.DATABASE_URL) return undefined;
  const url = new URL(process.env.DATABASE_URL);
  url.searchParams.set('schema', schemaOf(dataDir));
  return url.href;
}

/** Changes the read models of a data dir's service behind its back, whichever engine they are on. */
export async function changeReadModels(dataDir: string, statements: readonly string[]): Promise<void> {
  if (process.env.DATABASE_URL)
    return onServer(`set search_path = ${schemaOf(dataDir)}; ${statements.join(';')}`);
  const file = new DatabaseSync(join(dataDir, 'read.db'), { timeout: 2_000 });
  file.exec(statements.join(';'));
  file.close();
}

/** Removes what the services of these data dirs have on the server. */
export async function dropSchemas(dataDirs: readonly string[]): Promise<void> {
  if (!process.env.DATABASE_URL || dataDirs.length === 0) return;
  const schemas = dataDirs.flatMap((dir) => ['', '_keys', '_requests'].map((part) => schemaOf(dir) + part));
  await onServer(schemas.map((schema) => `drop schema if exists ${schema} cascade`).join(';'));
}

async function onServer(statements: string): Promise<void> {
  const client = new pg.Client(process.env.DATABASE_URL);
  await client.connect();
  try {
    await client.query(statements);
  } finally {
    await client.end();
  }
}
