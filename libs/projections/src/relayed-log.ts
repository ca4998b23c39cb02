import type { Message } from '#contracts';
import type { RecordedEvent } from '#kernel';

export interface PublicMessage {
  topic: string;
  message: Message<object>;
}

/** What of the log is published. */
export interface RelayedLog {
  readonly name: string;
  readonly categories: readonly string[];
  /** What the world may know of an event; nothing for events that are nobody else's business. */
  toMessage(event: RecordedEvent): PublicMessage | undefined;
}
