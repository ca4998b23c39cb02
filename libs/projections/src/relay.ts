import type { Message } from '#contracts';
import type { RecordedEvent } from '#kernel';
import type { MessagePublisher } from '#message-bus';
import { LogFollower, type LogFollowerOptions } from './log-follower.js';

export interface PublicMessage {
  topic: string;
  message: Message<object>;
}

export interface RelayOptions extends Omit<LogFollowerOptions, 'handle'> {
  publisher: MessagePublisher;
  /** What the world may know of an event; nothing for events that are nobody else's business. */
  toMessage(event: RecordedEvent): PublicMessage | undefined;
}

/**
 * Publishes what the log says: every message at least once, those of a topic in log order. The checkpoint moves
 * only after the publisher has taken the whole batch.
 */
export class Relay extends LogFollower {
  constructor({ publisher, toMessage, ...options }: RelayOptions) {
    super({
      ...options,
      handle: async (events) => {
        const found = events.map((event) => toMessage(event)).filter((it) => it !== undefined);
        for (const [topic, messages] of Map.groupBy(found, (it) => it.topic)) {
          await publisher.publish(
            topic,
            messages.map((it) => it.message),
          );
        }
      },
    });
  }
}
