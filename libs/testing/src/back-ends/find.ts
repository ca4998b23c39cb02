import { BackEndMissing } from './child.js';
import { containedKafka, containedPostgres, KAFKA_IMAGE, POSTGRES_IMAGE } from './containers.js';
import { type KafkaClusterOptions, startKafka } from './kafka-cluster.js';
import { startPostgres } from './postgres-cluster.js';

/** A real server to test against. */
export interface BackEnd {
  /** What a service's setting takes: KAFKA_BROKERS or DATABASE_URL. */
  readonly setting: string;
  /** What it is and where it came from, for people: `Apache Kafka 4.1.1, started here`. */
  readonly origin: string;
  stop(): Promise<void>;
}

type Source = () => Promise<BackEnd | undefined>;

/**
 * Kafka, found in this order: KAFKA_BROKERS, a container, brokers of our own. Three brokers are always our own.
 * Throws BackEndMissing with the reasons.
 */
export const findKafka = ({ brokers = 1 }: KafkaClusterOptions = {}): Promise<BackEnd> =>
  firstOf([
    fromEnvironment('KAFKA_BROKERS'),
    async () => {
      if (brokers > 1) return undefined;
      const { address, stop } = await containedKafka();
      return { setting: address, origin: `${KAFKA_IMAGE} in a container`, stop };
    },
    async () => {
      const cluster = await startKafka({ brokers });
      const origin = `Apache Kafka ${cluster.version}, ${brokers} started here`;
      return { setting: cluster.brokers.join(), origin, stop: cluster.stop };
    },
  ]);

/** PostgreSQL, found in this order: DATABASE_URL, a container, the machine's binaries. Throws BackEndMissing. */
export const findPostgres = (): Promise<BackEnd> =>
  firstOf([
    fromEnvironment('DATABASE_URL'),
    async () => {
      const { address, stop } = await containedPostgres();
      const setting = `postgres://tenantry:tenantry@${address}/postgres`;
      return { setting, origin: `${POSTGRES_IMAGE} in a container`, stop };
    },
    async () => {
      const { url, version, stop } = await startPostgres();
      return { setting: url, origin: `PostgreSQL ${version}, started here`, stop };
    },
  ]);

const fromEnvironment =
  (variable: string): Source =>
  async () => {
    const setting = process.env[variable];
    return setting ? { setting, origin: `the one that ${variable} names`, stop: async () => {} } : undefined;
  };

async function firstOf(sources: readonly Source[]): Promise<BackEnd> {
  const reasons: string[] = [];
  for (const source of sources) {
    try {
      const found = await source();
      if (found) return found;
    } catch (error) {
      if (!(error instanceof BackEndMissing)) throw error;
      reasons.push(error.message);
    }
  }
  throw new BackEndMissing(reasons.join('; '));
}
