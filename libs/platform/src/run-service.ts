import { readFileSync } from 'node:fs';
import type { Type } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { OpenAPIObject } from '@nestjs/swagger';
import type { ConsumerOptions } from '#message-bus';
import { PlatformModule } from './platform.module.js';
import { closeOnSignal, createApp, listen, runToEnd, startFollowing } from './serve.js';
import { InvalidSetting, loadSettings, type Settings } from './settings.js';

export interface Service {
  name: string;
  modules: Type[];
  consumers: ConsumerOptions[];
  /** Needs the tenant-users service at `TENANTRY_TENANT_USERS_URL`. */
  follows?: boolean;
  /** Runs once it follows the log, before it listens; answers what there is to tell once it does. */
  prepare?(app: NestFastifyApplication): Promise<((url: string) => string) | undefined>;
}

/** The program of one service of several. Everything it shares with the others but the root key goes by the bus. */
export function runService(service: Service): Promise<never> {
  return runToEnd(() => serve(service));
}

async function serve({ name, modules, consumers, follows = false, prepare }: Service): Promise<void> {
  const settings = loadSettings(process.env);
  requireNeighbours(settings, follows);
  const module = class {};
  // Whoever supervises it may go while it waits for what it stands on; from then on, closeOnSignal sees to that.
  const orphaned = () => process.exit(1);
  process.once('disconnect', orphaned);
  if (process.connected === false) orphaned();
  const app = await createApp(
    { module, imports: [PlatformModule.forRoot(settings), ...modules] },
    consumers,
    {
      document: wholeDocument,
    },
  );
  process.off('disconnect', orphaned);
  const closed = closeOnSignal(app);
  await startFollowing(app);
  const greeting = await prepare?.(app);
  const url = await listen(app, settings);
  const told = greeting?.(settings.publicUrl ?? url) ?? '';
  process.stdout.write(`Tenantry ${name} listens on ${url}\n${told}${told && '\n'}`);
  await closed;
}

function requireNeighbours({ kafka, tenantUsersUrl }: Settings, follows: boolean): void {
  if (!kafka) {
    throw new InvalidSetting('KAFKA_BROKERS', 'is needed by services that run in processes of their own');
  }
  if (follows && !tenantUsersUrl) {
    throw new InvalidSetting(
      'TENANTRY_TENANT_USERS_URL',
      'is needed: where the tenant-users service answers',
    );
  }
}

/** The document is that of the whole API, whichever part of it this process serves. */
const wholeDocument = (): OpenAPIObject =>
  JSON.parse(readFileSync(new URL('../../../../openapi.json', import.meta.url), 'utf8')) as OpenAPIObject;
