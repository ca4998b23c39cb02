import { Logger } from '@nestjs/common';
import type { Message } from '#contracts';
import { type Clock, systemClock } from '#kernel';
import type { BusLogger } from '../bus-logger.js';
import type { BusServer, ConsumerOptions, MessageBus } from '../message-bus.js';
import { DEFAULT_RETRY_POLICY, type RetryPolicy } from '../retry-policy.js';
import { EmbeddedServer, type EmbeddedServerParts } from './embedded-server.js';
import { MessageLog, type MessageWriter } from './message-log.js';

export interface EmbeddedBusOptions {
  clock?: Clock;
  logger?: BusLogger;
  retry?: RetryPolicy;
}

/** The bus of a single process: a durable topic log in a SQLite file of its own, which another thread writes. */
export class EmbeddedBus implements MessageBus {
  private readonly servers = new Map<string, EmbeddedServer>();

  private constructor(private readonly parts: Omit<EmbeddedServerParts, 'publisher'>) {}

  /** `file` is there: its writer has made it. */
  static open(file: string, writer: MessageWriter, options: EmbeddedBusOptions = {}): EmbeddedBus {
    const { clock = systemClock, logger = new Logger('MessageBus'), retry = DEFAULT_RETRY_POLICY } = options;
    return new EmbeddedBus({ log: new MessageLog(file, writer, clock), clock, logger, retry });
  }

  publish(topic: string, messages: readonly Message<object>[]): Promise<void> {
    return this.parts.log.append(topic, messages);
  }

  /** One server a group. */
  consumer(options: ConsumerOptions): BusServer {
    if (this.servers.has(options.group)) throw new Error(`the group ${options.group} is consumed already`);
    const server = new EmbeddedServer(options, { ...this.parts, publisher: this });
    this.servers.set(options.group, server);
    return server;
  }

  ready(): Promise<void> {
    return this.parts.log.ready();
  }

  async close(): Promise<void> {
    await Promise.all([...this.servers.values()].map((server) => server.close()));
    this.parts.log.close();
  }
}
