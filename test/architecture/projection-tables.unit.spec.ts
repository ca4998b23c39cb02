import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { type AnyProjection, type ProjectionDeps, type ProjectionModule, replay } from '#projections';
import { InMemoryEventStore, SampleProjection } from '#testing';

/** By name and version. A change of tables needs a version of its own: add it here with its fingerprint. */
const FINGERPRINTS = JSON.parse(readFileSync('test/architecture/projection-tables.json', 'utf8')) as {
  [name: string]: { [version: string]: string };
};

interface Statement {
  sql: string;
}

/** The statements that made the tables, the random part of their indexes' names aside. */
async function statementsOf(projection: AnyProjection): Promise<string[]> {
  const made = await replay(new InMemoryEventStore(), projection, [], async (database) => {
    const { rows } = await sql<Statement>`
      select sql from sqlite_master where sql is not null`.execute(database.reader());
    return rows;
  });
  return made.map((statement) => statement.sql.replace(/_[0-9a-f]{8}"/, '"')).sort();
}

const fingerprint = (statements: readonly string[]): string =>
  createHash('sha256').update(statements.join('\n')).digest('hex').slice(0, 16);

const DEPS: ProjectionDeps = {
  dialect: 'sqlite',
  open: async () => null,
  secret: async () => new Uint8Array(32),
};

/** Of all services. */
async function projections(): Promise<AnyProjection[]> {
  const modules = await Promise.all(
    globSync('apps/*/src/projections.ts').map(
      (path) => import(relative('test/architecture', path)) as Promise<ProjectionModule>,
    ),
  );
  return (await Promise.all(modules.map((module) => module.projections(DEPS)))).flat();
}

describe('the tables of the projections', () => {
  it('have changed since their version was raised only where the version has too', async () => {
    const found = await Promise.all(
      (await projections()).map(async (projection) => {
        const { name, version } = projection;
        return { name, version, fingerprint: fingerprint(await statementsOf(projection)) };
      }),
    );
    expect(found.map(({ name }) => name).sort()).toEqual(Object.keys(FINGERPRINTS).sort());
    expect(found).toEqual(
      found.map((one) => ({ ...one, fingerprint: FINGERPRINTS[one.name]?.[String(one.version)] })),
    );
  });

  it('given the same tables twice, then the fingerprint is the same; given one index more, then another', async () => {
    class WithIndex extends SampleProjection {
      override async createTables(...[schema, createIndex]: Parameters<SampleProjection['createTables']>) {
        await super.createTables(schema, createIndex);
        await createIndex('accounts', ['revision']);
      }
    }
    const of = async (projection: SampleProjection) =>
      fingerprint(await statementsOf(projection as unknown as AnyProjection));
    expect(await of(new SampleProjection())).toBe(await of(new SampleProjection()));
    expect(await of(new WithIndex())).not.toBe(await of(new SampleProjection()));
  });
});
