import { appendFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from '@jest/globals';
import { BackEndMissing } from './child.js';
import { type BackEnd, findKafka, findPostgres } from './find.js';
import { type KafkaCluster, type KafkaClusterOptions, startKafka } from './kafka-cluster.js';
import { type PostgresCluster, startPostgres } from './postgres-cluster.js';

type Kind = 'kafka' | 'postgres';

/**
 * Defines tests over a real Kafka, to be awaited at the top of a spec file; it is stopped after them. Where none
 * can be had they are left out by name, or fail if TENANTRY_REQUIRE_BACKENDS (`kafka,postgres`) demands it.
 */
export const onKafka = (define: (kafka: BackEnd) => void): Promise<void> =>
  onBackEnd('kafka', () => findKafka(), define);

/** The same over PostgreSQL. */
export const onPostgres = (define: (postgres: BackEnd) => void): Promise<void> =>
  onBackEnd('postgres', findPostgres, define);

/** The same over brokers started here, which a test may kill and restart. */
export const onOwnKafka = (
  options: KafkaClusterOptions,
  define: (cluster: KafkaCluster) => void,
): Promise<void> => onBackEnd('kafka', () => startKafka(options).then(named('Apache Kafka')), define);

/** The same over a PostgreSQL started here, which a test may kill and restart. */
export const onOwnPostgres = (define: (cluster: PostgresCluster) => void): Promise<void> =>
  onBackEnd('postgres', () => startPostgres().then(named('PostgreSQL')), define);

const named =
  (name: string) =>
  <Cluster extends { version: string }>(cluster: Cluster): Cluster & { origin: string } =>
    Object.assign(cluster, { origin: `${name} ${cluster.version}, started here` });

async function onBackEnd<Found extends { origin: string; stop(): Promise<void> }>(
  kind: Kind,
  find: () => Promise<Found>,
  define: (found: Found) => void,
): Promise<void> {
  try {
    const found = await find();
    record(kind, found.origin);
    afterAll(() => found.stop());
    define(found);
  } catch (error) {
    if (!(error instanceof BackEndMissing)) throw error;
    const demanded = (process.env.TENANTRY_REQUIRE_BACKENDS ?? '').split(',').includes(kind);
    record(kind, undefined, error.message);
    describe(kind, () => {
      (demanded ? it : it.skip)(`can be had (${error.message})`, () => {
        throw error;
      });
    });
  }
}

/** Tells the summary at the end of the run, which reads TENANTRY_BACKEND_RECORD. */
function record(kind: Kind, origin: string | undefined, missing?: string): void {
  const file = process.env.TENANTRY_BACKEND_RECORD;
  const spec = expect.getState().testPath;
  if (file) appendFileSync(file, `${JSON.stringify({ kind, origin, missing, spec })}\n`);
}
