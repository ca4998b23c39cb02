import { readFileSync } from 'node:fs';
import { type BusRefusal, type KafkaSettings, type RefusedPart, SASL_MECHANISMS } from '#message-bus';
import { InvalidSetting, readInteger } from './setting.js';

const BROKER = /^(?:[\w.-]+|\[[0-9a-fA-F:]+\]):(\d{1,5})$/;
const PREFIX = /^[\w.-]{0,100}$/;
const HOUR_MS = 60 * 60 * 1_000;

/** The settings whose names begin with KAFKA_; undefined without KAFKA_BROKERS. Throws InvalidSetting. */
export function readKafkaSettings(env: NodeJS.ProcessEnv): KafkaSettings | undefined {
  if (!env.KAFKA_BROKERS) return undefined;
  const prefix = env.KAFKA_TOPIC_PREFIX ?? '';
  if (!PREFIX.test(prefix)) {
    throw new InvalidSetting('KAFKA_TOPIC_PREFIX', 'may have letters, digits, ".", "_" and "-" only');
  }
  const copies = readInteger(env, 'KAFKA_TOPIC_REPLICATION_FACTOR', { default: 0, min: 0, max: 100 });
  const hours = readInteger(env, 'KAFKA_TOPIC_RETENTION_HOURS', { default: 168, min: 1, max: 100_000 });
  return {
    brokers: readBrokers(env.KAFKA_BROKERS),
    clientId: env.KAFKA_CLIENT_ID || 'tenantry',
    ssl: readSsl(env),
    sasl: readSasl(env),
    prefix,
    partitions: readInteger(env, 'KAFKA_TOPIC_PARTITIONS', { default: 12, min: 1, max: 10_000 }),
    replicationFactor: copies || undefined,
    retentionMs: hours * HOUR_MS,
  };
}

const VARIABLES: Record<RefusedPart, (settings: KafkaSettings) => string> = {
  host: () => 'KAFKA_BROKERS',
  tls: ({ ssl }) => (ssl?.ca === undefined ? 'KAFKA_SSL' : 'KAFKA_SSL_CA'),
  login: () => 'KAFKA_SASL_PASSWORD',
  rights: ({ sasl }) => (sasl ? 'KAFKA_SASL_USERNAME' : 'KAFKA_BROKERS'),
};

/** The setting that the brokers do not take. */
export const refusedSetting = ({ part, message }: BusRefusal, settings: KafkaSettings): InvalidSetting =>
  new InvalidSetting(VARIABLES[part](settings), message);

function readBrokers(text: string): string[] {
  const brokers = text.split(',').map((broker) => broker.trim());
  const wrong = brokers.some((broker) => {
    const port = Number(BROKER.exec(broker)?.[1]);
    return !(port > 0 && port <= 65_535);
  });
  if (wrong) throw new InvalidSetting('KAFKA_BROKERS', 'must be a list such as kafka-1:9092,kafka-2:9092');
  return brokers;
}

function readSsl(env: NodeJS.ProcessEnv): KafkaSettings['ssl'] {
  if (env.KAFKA_SSL && env.KAFKA_SSL !== 'true' && env.KAFKA_SSL !== 'false') {
    throw new InvalidSetting('KAFKA_SSL', 'must be true or false');
  }
  const file = env.KAFKA_SSL_CA;
  if (env.KAFKA_SSL === 'false' || !(env.KAFKA_SSL || file)) return undefined;
  if (!file) return {};
  let ca: string;
  try {
    ca = readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new InvalidSetting('KAFKA_SSL_CA', `the file cannot be read (${code})`);
  }
  if (!ca.includes('BEGIN CERTIFICATE')) {
    throw new InvalidSetting('KAFKA_SSL_CA', 'must be a file with certificates in PEM');
  }
  return { ca };
}

function readSasl(env: NodeJS.ProcessEnv): KafkaSettings['sasl'] {
  const { KAFKA_SASL_MECHANISM: name, KAFKA_SASL_USERNAME: username, KAFKA_SASL_PASSWORD: password } = env;
  if (!name && !username && !password) return undefined;
  const mechanism = SASL_MECHANISMS.find((known) => known === (name || 'plain').toLowerCase());
  if (!mechanism)
    throw new InvalidSetting('KAFKA_SASL_MECHANISM', `must be one of ${SASL_MECHANISMS.join(', ')}`);
  if (!username) throw new InvalidSetting('KAFKA_SASL_USERNAME', 'is missing');
  if (!password) throw new InvalidSetting('KAFKA_SASL_PASSWORD', 'is missing');
  return { mechanism, username, password };
}
