import 'reflect-metadata';
import { once } from 'node:events';
import { inspect } from 'node:util';
import { type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isTenantryError } from '#kernel';
import { BusRefusal, type ConsumerOptions, connectConsumer, type MessageBus } from '#message-bus';
import { sendAnswersTogether } from './http/answers-together.js';
import { BODY_LIMIT_BYTES, takeJsonBodies } from './http/json-body.js';
import { describeApi } from './http/openapi.js';
import { refuseOtherMethods } from './http/other-methods.js';
import { sendBadUrl } from './http/problem.filter.js';
import { requestIdOf } from './http/request-id.js';
import { refusedSetting } from './kafka-settings.js';
import { Consumers } from './operations/consumers.js';
import { AppLogger } from './operations/logger.js';
import { Metrics } from './operations/metrics.js';
import { ReadModels } from './operations/read-models.js';
import { InvalidSetting, type Settings } from './settings.js';
import { MESSAGE_BUS, SETTINGS } from './tokens.js';

const CATCH_UP_TIMEOUT_MS = 2_000;

class HttpAdapter extends FastifyAdapter {
  /** Resolves when the answer has gone. Fastify's own promise of that costs some 18 listeners, added and removed again. */
  override reply(...answer: Parameters<FastifyAdapter['reply']>): ReturnType<FastifyAdapter['reply']> {
    const { raw } = super.reply(...answer);
    return new Promise((resolve) => raw.once('close', resolve)) as never;
  }
}

/** The HTTP engine with the limits of the public contract. */
function adapter(): FastifyAdapter {
  return new HttpAdapter({
    bodyLimit: BODY_LIMIT_BYTES,
    forceCloseConnections: 'idle',
    frameworkErrors: sendBadUrl,
    // What still arrives on open connections while the service closes is served like the rest.
    return503OnClosing: false,
    // Longer than any name in a path may be, so that the route's own check answers.
    routerOptions: { maxParamLength: 500 },
    genReqId: requestIdOf,
  });
}

export interface AppOptions {
  /** What `/openapi.json` serves; what the modules of this process say of themselves when left out. */
  document?: (app: NestFastifyApplication) => OpenAPIObject;
}

/**
 * An application that is wired but neither follows the log nor listens: call `startFollowing`, then `listen`.
 * `consumers` are the bus groups whose handlers the modules hold.
 */
export async function createApp(
  module: Type | object,
  consumers: readonly ConsumerOptions[],
  { document = describeApi }: AppOptions = {},
): Promise<NestFastifyApplication> {
  const app = await NestFactory.create<NestFastifyApplication>(module as Type, adapter(), {
    // Until its own logger stands, what goes wrong is told by whoever called.
    logger: false,
    abortOnError: false,
    // JSON alone is taken; see parseJsonBodies.
    bodyParser: false,
  });
  app.useLogger(app.get(AppLogger));
  installHooks(app);
  const routesAreThere = refuseOtherMethods(app.getHttpAdapter().getInstance());
  SwaggerModule.setup('docs', app, () => document(app), {
    jsonDocumentUrl: 'openapi.json',
    yamlDocumentUrl: 'openapi.yaml',
    customSiteTitle: 'Tenantry API',
  });
  await app.init();
  routesAreThere();
  const bus = app.get<MessageBus>(MESSAGE_BUS);
  for (const options of consumers) {
    const server = bus.consumer(options);
    app.get(Consumers).add(server);
    connectConsumer(app, server);
  }
  return app;
}

/**
 * Starts the read models, the policies, the relay and the consumers. After a crash the read models may be behind
 * what was acknowledged, so it waits for them a moment; reads of one that takes longer answer 503 until it is there.
 */
export async function startFollowing(app: NestFastifyApplication): Promise<void> {
  await app.get(ReadModels).start(CATCH_UP_TIMEOUT_MS);
  try {
    await app.startAllMicroservices();
  } catch (error) {
    const { kafka } = app.get<Settings>(SETTINGS);
    throw kafka && error instanceof BusRefusal ? refusedSetting(error, kafka) : error;
  }
}

const LISTEN_ERRORS: Record<string, () => InvalidSetting> = {
  EADDRINUSE: () => new InvalidSetting('PORT', 'is in use by another process'),
  EACCES: () => new InvalidSetting('PORT', 'may not be listened on by this process'),
  EADDRNOTAVAIL: () => new InvalidSetting('HOST', 'is not an address of this machine'),
  ENOTFOUND: () => new InvalidSetting('HOST', 'cannot be resolved'),
};

/** What `listen` failed with, as the setting that is wrong where one is. */
export const refusedAddress = (error: unknown): unknown =>
  LISTEN_ERRORS[(error as NodeJS.ErrnoException).code ?? '']?.() ?? error;

/** Answers the address that the application listens on. Throws InvalidSetting. */
export async function listen(app: NestFastifyApplication, { port, host }: Settings): Promise<string> {
  try {
    return await app.getHttpAdapter().getInstance().listen({ port, host });
  } catch (error) {
    throw refusedAddress(error);
  }
}

/** The OpenAPI document from the modules alone: nothing is opened and nothing runs. */
export async function describeModule(module: Type | object): Promise<OpenAPIObject> {
  const options = { preview: true, logger: false, abortOnError: false } as const;
  const app = await NestFactory.create<NestFastifyApplication>(module as Type, adapter(), options);
  return describeApi(app);
}

function installHooks(app: NestFastifyApplication): void {
  const metrics = app.get(Metrics);
  const fastify = app.getHttpAdapter().getInstance();
  takeJsonBodies(fastify);
  const logger = app.get(AppLogger);
  sendAnswersTogether(fastify, (error, requestId) => logger.failure(error, { requestId }));
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    done();
  });
  // Each route has an observer of its own, for asking a request for its route costs more than to observe it.
  fastify.addHook('onRoute', (route) => {
    const observers = new Map(
      [route.method].flat().map((method) => [method, metrics.ofRoute(method, route.url)]),
    );
    const observe = (request: FastifyRequest, reply: FastifyReply, done: () => void) => {
      observers.get(request.method)?.(reply);
      done();
    };
    route.onResponse = [route.onResponse ?? [], observe].flat();
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    if (request.is404) metrics.ofRoute(request.method, 'unknown')(reply);
    done();
  });
}

/**
 * Runs a service to its end and gives the process its exit code: 78 (EX_CONFIG of sysexits.h) where a setting
 * or a file is not what it should be, 1 for other failures. What an operator can mend is told in one line.
 */
export async function runToEnd(service: () => Promise<void>): Promise<never> {
  try {
    await service();
    process.exit(0);
  } catch (error) {
    const known = error instanceof InvalidSetting || isTenantryError(error);
    process.stderr.write(`${known ? error.message : inspect(error)}\n`);
    const isForOperator =
      error instanceof InvalidSetting || (isTenantryError(error) && error.kind === 'illegal_state');
    process.exit(isForOperator ? 78 : 1);
  }
}

/** Closes the application on SIGTERM or SIGINT, or when the process that supervises it has gone; what does not end within 10 s is cut off. */
export async function closeOnSignal(app: NestFastifyApplication): Promise<void> {
  const ends = [once(process, 'SIGTERM'), once(process, 'SIGINT')];
  // Whoever started it as one of several has gone.
  if (process.connected) ends.push(once(process, 'disconnect'));
  await Promise.race(ends);
  setTimeout(() => process.exit(1), 10_000).unref();
  // A connection whose request was under way stays open for the next one, which must not come.
  setInterval(() => app.getHttpServer().closeIdleConnections(), 50).unref();
  await app.close();
}
