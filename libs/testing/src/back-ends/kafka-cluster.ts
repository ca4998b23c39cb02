import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Child, freePorts, runProgram, startChild } from './child.js';
import { type KafkaJars, kafkaJars } from './kafka-jars.js';
import { brokerProperties, type KafkaSecurity, makeSecurity } from './kafka-properties.js';

export interface KafkaClusterOptions {
  brokers?: 1 | 3;
  /** Brokers that speak TLS and ask for a user's name and password. */
  secured?: boolean;
}

export interface KafkaCluster {
  /** `host:port` of each broker. */
  readonly brokers: string[];
  readonly version: string;
  readonly security: KafkaSecurity | undefined;
  /** SIGKILL; resolves when the broker is gone. Brokers count from 0. */
  kill(broker: number): Promise<void>;
  /** Starts a killed broker again, on the same port and data; resolves when it takes requests. */
  restart(broker: number): Promise<void>;
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 90_000;
/** Small and quick to start: a broker of a test lives for a minute. */
const JVM = ['-Xms64m', '-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];
const LOGGING = ['-Dorg.slf4j.simpleLogger.defaultLogLevel=warn'];

/**
 * Starts Apache Kafka's own brokers in KRaft mode, each broker and controller in one, on free ports and in a
 * temporary folder. Needs Java and, the first time, Maven; throws BackEndMissing without them.
 */
export async function startKafka({
  brokers: count = 1,
  secured = false,
}: KafkaClusterOptions = {}): Promise<KafkaCluster> {
  const jars = await kafkaJars();
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-kafka-'));
  const security = secured ? await makeSecurity(folder) : undefined;
  const ports = await freePorts(2 * count);
  // A first byte of 0, as Kafka takes an id that begins with "-" for an option.
  const clusterId = Buffer.concat([Buffer.of(0), randomBytes(15)]).toString('base64url');
  const files = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const file = join(folder, `broker-${index}.properties`);
      await writeFile(file, brokerProperties({ index, count, ports, folder, security }));
      await runProgram(javaCommand(jars, 'kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', file));
      return file;
    }),
  );
  const start = (file: string): Promise<Child> => startChild(javaCommand(jars, 'kafka.Kafka', file));
  const children = await Promise.all(files.map(start));
  const brokers = ports.slice(0, count).map((port) => `127.0.0.1:${port}`);
  const stop = async (): Promise<void> => {
    await Promise.all(children.map((child) => child.end('SIGKILL')));
    await rm(folder, { recursive: true, force: true });
  };
  const cluster: KafkaCluster = {
    brokers,
    version: jars.version,
    security,
    stop,
    kill: async (broker) => children[broker]?.end('SIGKILL'),
    restart: async (broker) => {
      const [file, address] = [files[broker], brokers[broker]];
      if (file === undefined || address === undefined) throw new Error(`there is no broker ${broker}`);
      children[broker] = await start(file);
      await untilAlive({ brokers: [address], security }, broker + 1, [children[broker]]);
    },
  };
  try {
    await untilAlive(cluster, count, children);
  } catch (error) {
    await stop();
    throw error;
  }
  return cluster;
}

const javaCommand = ({ folder }: KafkaJars, ...command: string[]): [string, ...string[]] => [
  'nice',
  '-n',
  '10',
  'java',
  ...JVM,
  ...LOGGING,
  '-cp',
  join(folder, '*'),
  ...command,
];

/** Until a broker answers and knows of as many brokers as there should be. */
async function untilAlive(
  { brokers, security }: Pick<KafkaCluster, 'brokers' | 'security'>,
  count: number,
  children: readonly Child[],
): Promise<void> {
  const { Kafka, logLevel } = await import('kafkajs');
  const kafka = new Kafka({
    brokers,
    logLevel: logLevel.NOTHING,
    retry: { retries: 0 },
    ...(security && { ssl: { ca: [security.ca] }, sasl: { mechanism: 'plain', ...security.admin } }),
  });
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    const admin = kafka.admin();
    const known = await admin
      .connect()
      .then(() => admin.describeCluster())
      .then((cluster) => cluster.brokers.length)
      .catch(() => 0);
    await admin.disconnect().catch(() => undefined);
    if (known >= count) return;
    const dead = children.find((child) => !child.running);
    if (dead) throw new Error(`a Kafka broker ended at its start:\n${dead.output()}`);
    if (Date.now() > deadline) throw new Error('the Kafka brokers did not start in time');
    await sleep(100);
  }
}
