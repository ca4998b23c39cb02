import { BackEndMissing, freePorts, hasProgram, runProgram } from './child.js';

/** A server in a container of its own. */
export interface Contained {
  /** `host:port`. */
  address: string;
  stop(): Promise<void>;
}

export const KAFKA_IMAGE = 'apache/kafka:4.1.1';
export const POSTGRES_IMAGE = 'postgres:17-alpine';
const CONTROLLER_PORT = 29_093;

/** Throws BackEndMissing unless a container engine answers. */
export async function demandEngine(): Promise<void> {
  const answers =
    (await hasProgram('docker')) &&
    (await runProgram(['docker', 'version', '--format', '{{.Server.Version}}'], { timeout: 10_000 }).then(
      () => true,
      () => false,
    ));
  if (!answers) throw new BackEndMissing('no container engine answers');
}

export async function containedKafka(): Promise<Contained> {
  await demandEngine();
  const { GenericContainer, Wait } = await import('testcontainers');
  // A broker tells clients its own address, so the port must be known before it starts.
  const [port = 0] = await freePorts(1);
  const container = await new GenericContainer(KAFKA_IMAGE)
    .withExposedPorts({ container: port, host: port })
    .withEnvironment({
      KAFKA_NODE_ID: '1',
      KAFKA_PROCESS_ROLES: 'broker,controller',
      KAFKA_LISTENERS: `CLIENT://0.0.0.0:${port},CONTROLLER://localhost:${CONTROLLER_PORT}`,
      KAFKA_ADVERTISED_LISTENERS: `CLIENT://localhost:${port}`,
      KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
      KAFKA_INTER_BROKER_LISTENER_NAME: 'CLIENT',
      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT',
      KAFKA_CONTROLLER_QUORUM_VOTERS: `1@localhost:${CONTROLLER_PORT}`,
      KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
      KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
      KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
    })
    .withWaitStrategy(Wait.forLogMessage(/Kafka Server started/))
    .start();
  return { address: `${container.getHost()}:${port}`, stop: () => container.stop().then(() => undefined) };
}

export async function containedPostgres(): Promise<Contained> {
  await demandEngine();
  const { GenericContainer, Wait } = await import('testcontainers');
  const container = await new GenericContainer(POSTGRES_IMAGE)
    .withExposedPorts(5432)
    .withEnvironment({ POSTGRES_USER: 'tenantry', POSTGRES_PASSWORD: 'tenantry', POSTGRES_DB: 'postgres' })
    // The image starts the server once to set it up, and then for good.
    .withWaitStrategy(Wait.forLogMessage(/ready to accept connections/, 2))
    .start();
  const address = `${container.getHost()}:${container.getMappedPort(5432)}`;
  return { address, stop: () => container.stop().then(() => undefined) };
}
