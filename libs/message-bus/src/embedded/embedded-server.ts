import type { Message } from '#contracts';
import type { Clock } from '#kernel';
import type { BusLogger } from '../bus-logger.js';
import { Dispatcher } from '../dispatcher.js';
import { EventServer } from '../event-server.js';
import type { BusServer, ConsumerOptions, ConsumerStatus, MessagePublisher } from '../message-bus.js';
import type { RetryPolicy } from '../retry-policy.js';
import type { MessageLog } from './message-log.js';
import { TopicConsumer } from './topic-consumer.js';

export interface EmbeddedServerParts {
  log: MessageLog;
  publisher: MessagePublisher;
  logger: BusLogger;
  clock: Clock;
  retry: RetryPolicy;
}

/** One consumer group of the embedded bus as a Nest transport. */
export class EmbeddedServer extends EventServer implements BusServer {
  private readonly dispatcher: Dispatcher;
  private consumers: TopicConsumer[] = [];

  constructor(
    private readonly options: ConsumerOptions,
    private readonly parts: EmbeddedServerParts,
  ) {
    super();
    this.transportId = options.transportId;
    const handlersOf = (message: Message<object>) => this.handlersOf(message);
    this.dispatcher = new Dispatcher({ ...parts, group: options.group, handlersOf });
  }

  override listen(callback: (error?: unknown) => void): void {
    const { group, topics } = this.options;
    try {
      this.consumers = topics.map(
        (topic) =>
          new TopicConsumer({ ...this.parts, group, topic, types: this.types, dispatcher: this.dispatcher }),
      );
      callback();
    } catch (error) {
      callback(error);
    }
  }

  override async close(): Promise<void> {
    await Promise.all(this.consumers.map((consumer) => consumer.close()));
  }

  async statuses(): Promise<ConsumerStatus[]> {
    return this.consumers.map((consumer) => consumer.status());
  }
}
