import type { CustomTransportStrategy, Server } from '@nestjs/microservices';
import type { Message } from '#contracts';

/**
 * The sending side. Messages of one subject are delivered in the order in which they were published.
 * `publish` resolves when all of them are durable; when it rejects, any of them may have been stored, so the
 * caller publishes the same messages again and consumers see some twice.
 */
export interface MessagePublisher {
  publish(topic: string, messages: readonly Message<object>[]): Promise<void>;
}

export interface ConsumerOptions {
  /** The consumer group: each message reaches each group. A service's name: `keys`. */
  group: string;
  topics: readonly string[];
  /** Tells whose `@EventPattern(type, transportId)` handlers this server runs. */
  transportId: symbol;
}

/** What a handler gets as its context (`@Ctx()`). */
export interface MessageContext {
  message: Message<object>;
  topic: string;
  group: string;
  /** 1 on the first try. */
  attempt: number;
}

export interface ConsumerStatus {
  group: string;
  topic: string;
  /** Messages not yet handled. */
  lag: number;
  /** Messages dead-lettered since the process started. */
  deadLettered: number;
  state: 'running' | 'stopped';
}

/** A Nest transport whose handlers are plain `@EventPattern`s. At least once, in order for each subject. */
export interface BusServer extends Server, CustomTransportStrategy {
  statuses(): Promise<ConsumerStatus[]>;
}

/** A bus: one publisher, any number of consuming servers. */
export interface MessageBus extends MessagePublisher {
  consumer(options: ConsumerOptions): BusServer;
  /** Rejects with the reason if the bus can't take a message just now. */
  ready(): Promise<void>;
  close(): Promise<void>;
}
