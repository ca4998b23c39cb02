import { Logger } from '@nestjs/common';
import type { Message } from '#contracts';
import { type Clock, systemClock } from '#kernel';
import type { BusLogger } from '../bus-logger.js';
import type { BusServer, ConsumerOptions, MessageBus } from '../message-bus.js';
import { DEFAULT_RETRY_POLICY, type RetryPolicy } from '../retry-policy.js';
import { EmbeddedServer, type EmbeddedServerParts } from './embedded-server.js';
import { MessageLog } from './message-log.js';

export interface EmbeddedBusOptions {
  clock?: Clock;
  logger?: BusLogger;
  retry?: RetryPolicy;
}

/** The bus of a single process: a durable topic log in an SQLite file of its own. */
export class EmbeddedBus implements MessageBus {
  private readonly servers = new Map<string, EmbeddedServer>();

  private constructor(private readonly parts: Omit<EmbeddedServerParts, 'publisher'>) {}

  /** Creates the file if need be; throws when it can't be opened. */
  static open(file: string, options: EmbeddedBusOptions = {}): EmbeddedBus {
    const { clock = systemClock, logger = new Logger('MessageBus'), retry = DEFAULT_RETRY_POLICY } = options;
    return new EmbeddedBus({ log: new MessageLog(file, clock), clock, logger, retry });
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
    await this.parts.log.close();
  }
}
