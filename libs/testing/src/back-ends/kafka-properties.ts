import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram } from './child.js';

/** Who may log in at secured brokers. */
export interface KafkaSecurity {
  /** Path of the certificate in PEM. */
  caFile: string;
  ca: string;
  keyStore: string;
  /** May do everything. */
  admin: { username: string; password: string };
  /** Logs in, and may do nothing. */
  guest: { username: string; password: string };
  /** Logs in, and may do what a test gives it rights to. */
  limited: { username: string; password: string };
}

export interface BrokerPlace {
  index: number;
  count: 1 | 3;
  /** First the brokers' own, then their controllers'. */
  ports: readonly number[];
  folder: string;
  security: KafkaSecurity | undefined;
}

const PASSWORD = 'for-tests-only';

export async function makeSecurity(folder: string): Promise<KafkaSecurity> {
  const [keyStore, caFile] = [join(folder, 'broker.p12'), join(folder, 'broker.pem')];
  const store = ['-keystore', keyStore, '-storetype', 'PKCS12', '-storepass', PASSWORD, '-alias', 'broker'];
  const name = ['-dname', 'CN=localhost', '-ext', 'san=ip:127.0.0.1,dns:localhost'];
  await runProgram(['keytool', '-genkeypair', ...store, ...name, '-keyalg', 'EC', '-validity', '2']);
  await runProgram(['keytool', '-exportcert', '-rfc', ...store, '-file', caFile]);
  return {
    caFile,
    ca: readFileSync(caFile, 'utf8'),
    keyStore,
    admin: { username: 'admin', password: 'admin-for-tests' },
    guest: { username: 'guest', password: 'guest-for-tests' },
    limited: { username: 'limited', password: 'limited-for-tests' },
  };
}

/** The server.properties of one broker. */
export function brokerProperties({ index, count, ports, folder, security }: BrokerPlace): string {
  const controllerPorts = ports.slice(count);
  const protocol = security ? 'SASL_SSL' : 'PLAINTEXT';
  const client = `CLIENT://127.0.0.1:${ports[index]}`;
  const copies = String(count);
  const inSync = count === 3 ? '2' : '1';
  const properties: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': String(index + 1),
    'controller.quorum.voters': controllerPorts.map((port, voter) => `${voter + 1}@127.0.0.1:${port}`).join(),
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'CLIENT',
    listeners: `${client},CONTROLLER://127.0.0.1:${controllerPorts[index]}`,
    'advertised.listeners': client,
    'listener.security.protocol.map': `CLIENT:${protocol},CONTROLLER:PLAINTEXT`,
    'log.dirs': join(folder, `data-${index}`),
    'default.replication.factor': copies,
    'min.insync.replicas': inSync,
    'offsets.topic.replication.factor': copies,
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': copies,
    'transaction.state.log.min.isr': inSync,
    'group.initial.rebalance.delay.ms': '0',
    'auto.create.topics.enable': 'false',
    // By default half of a heap as small as this one.
    'log.cleaner.dedupe.buffer.size': '2097152',
    // A killed broker is noticed soon.
    'broker.session.timeout.ms': '3000',
    'broker.heartbeat.interval.ms': '500',
    // A test may want the end of a dead consumer's session soon.
    'group.min.session.timeout.ms': '500',
    'controller.quorum.election.timeout.ms': '1000',
    'controller.quorum.fetch.timeout.ms': '1500',
    ...(security && securityProperties(security)),
  };
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

function securityProperties({ keyStore, admin, guest, limited }: KafkaSecurity): Record<string, string> {
  const login = [
    'org.apache.kafka.common.security.plain.PlainLoginModule required',
    `username="${admin.username}" password="${admin.password}"`,
    ...[admin, guest, limited].map(({ username, password }) => `user_${username}="${password}"`),
  ].join(' ');
  return {
    'ssl.keystore.location': keyStore,
    'ssl.keystore.type': 'PKCS12',
    'ssl.keystore.password': PASSWORD,
    'ssl.truststore.location': keyStore,
    'ssl.truststore.type': 'PKCS12',
    'ssl.truststore.password': PASSWORD,
    'sasl.enabled.mechanisms': 'PLAIN',
    'sasl.mechanism.inter.broker.protocol': 'PLAIN',
    'listener.name.client.plain.sasl.jaas.config': `${login};`,
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    // The controllers' listener knows no users.
    'super.users': `User:${admin.username};User:ANONYMOUS`,
  };
}
