import type { MessagePublisher } from '#message-bus';
import { LogFollower, type LogFollowerOptions } from './log-follower.js';
import type { RelayedLog } from './relayed-log.js';

export interface RelayOptions extends Omit<LogFollowerOptions, 'handle'> {
  publisher: MessagePublisher;
  toMessage: RelayedLog['toMessage'];
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
