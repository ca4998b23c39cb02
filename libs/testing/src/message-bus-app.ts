import { setTimeout as sleep } from 'node:timers/promises';
import { Controller, type INestApplication, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern } from '@nestjs/microservices';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { type DeadLettered, MESSAGE_TYPES, type Message, TOPICS } from '#contracts';
import { newId } from '#kernel';
import { type BusServer, connectConsumer, type MessageBus, type MessageContext } from '#message-bus';

/** May answer with anything that an `@EventPattern` handler may. */
export type TestHandler = (context: MessageContext) => unknown;

export interface TestConsumer {
  group: string;
  topics: readonly string[];
  handlers: readonly (readonly [type: string, handler: TestHandler])[];
}

export interface ConsumingApp {
  app: INestApplication;
  /** One for each consumer, in their order. */
  servers: BusServer[];
}

function controllerFor(type: string, transportId: symbol, handler: TestHandler): Type {
  @Controller()
  class TestController {
    @EventPattern<string>(type, transportId)
    handle(@Ctx() context: MessageContext): unknown {
      return handler(context);
    }
  }
  return TestController;
}

/** A real Nest application in which each consumer is a server of its own, with plain `@EventPattern` handlers. */
export async function startConsumers(
  bus: MessageBus,
  consumers: readonly TestConsumer[],
): Promise<ConsumingApp> {
  class TestModule {}
  const controllers: Type[] = [];
  const servers = consumers.map(({ group, topics, handlers }) => {
    const transportId = Symbol(group);
    for (const [type, handler] of handlers) controllers.push(controllerFor(type, transportId, handler));
    return bus.consumer({ group, topics, transportId });
  });
  const app = await NestFactory.create({ module: TestModule, controllers }, new FastifyAdapter(), {
    logger: false,
  });
  for (const server of servers) connectConsumer(app, server);
  await app.init();
  await app.startAllMicroservices();
  return { app, servers };
}

export const TEST_TYPE = 'test.happened.v1';

/** A message whose data is its number; one of a type that no schema knows unless `overrides` says otherwise. */
export function testMessage(
  subject: string,
  number: number,
  overrides: Partial<Message<object>> = {},
): Message<object> {
  return {
    id: newId(),
    type: TEST_TYPE,
    source: '/test',
    subject,
    time: '2026-01-15T10:00:00.000Z',
    correlationId: `correlation-${number}`,
    causationId: 'cause',
    data: { number },
    ...overrides,
  };
}

export const numberOf = (message: Message<object>): number => (message.data as { number: number }).number;

/** Collects the dead letters of one topic. */
export function deadLetterCollector(topic: string): { consumer: TestConsumer; letters: DeadLettered[] } {
  const letters: DeadLettered[] = [];
  const collect: TestHandler = ({ message }) => {
    const letter = message.data as DeadLettered;
    if (letter.topic === topic) letters.push(letter);
  };
  const group = `dead-letters-${newId()}`;
  return {
    letters,
    consumer: { group, topics: [TOPICS.deadLetter], handlers: [[MESSAGE_TYPES.deadLettered, collect]] },
  };
}

/** Waits until something holds; what did not come in time is an error that names it. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  timeoutMs = 20_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await sleep(5);
  }
}
