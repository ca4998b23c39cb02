import { existsSync } from 'node:fs';
import { EventStoreDBClient } from '@eventstore/db-client';
import { GenericContainer, Wait } from 'testcontainers';
import { EventStoreStandIn } from './event-store-stand-in/event-store-stand-in.js';

const IMAGE = 'eventstore/eventstore:24.10';
const PORT = 2113;

/** An EventStoreDB to test with. `name` tells what it is: a real one with its version, or the stand-in. */
export interface EventStoreServer {
  name: string;
  url: string;
  stop(): Promise<void>;
}

/**
 * A real server from EVENT_STORE_URL, else one in a container where a Docker engine is, else the stand-in.
 * Throws when the server of EVENT_STORE_URL does not answer.
 */
export async function findEventStoreServer(): Promise<EventStoreServer> {
  const url = process.env.EVENT_STORE_URL;
  if (url) return { name: await nameOf(url), url, stop: async () => undefined };
  return process.env.DOCKER_HOST || existsSync('/var/run/docker.sock') ? inContainer() : standIn();
}

async function inContainer(): Promise<EventStoreServer> {
  const container = await new GenericContainer(IMAGE)
    .withEnvironment({
      EVENTSTORE_CLUSTER_SIZE: '1',
      EVENTSTORE_RUN_PROJECTIONS: 'None',
      EVENTSTORE_INSECURE: 'true',
      EVENTSTORE_MEM_DB: 'true',
    })
    .withExposedPorts(PORT)
    .withWaitStrategy(Wait.forHttp('/health/live', PORT).forStatusCode(204))
    .start();
  const url = `esdb://${container.getHost()}:${container.getMappedPort(PORT)}?tls=false`;
  const stop = async (): Promise<void> => {
    await container.stop();
  };
  return { name: `${await nameOf(url)} in a container`, url, stop };
}

async function standIn(): Promise<EventStoreServer> {
  const server = await EventStoreStandIn.start();
  return {
    name: 'EventStoreDB stand-in (scripted gRPC peer)',
    url: server.url,
    stop: async () => server.kill(),
  };
}

async function nameOf(url: string): Promise<string> {
  const client = EventStoreDBClient.connectionString(url.replace(/^kurrent(db)?/, 'esdb'));
  // The client knows the version, for itself.
  const { capabilities } = client as unknown as { capabilities: Promise<{ serverVersion: string }> };
  const { serverVersion } = await capabilities;
  await client.dispose();
  return `EventStoreDB ${serverVersion}`;
}
