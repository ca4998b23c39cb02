import { createHash } from 'node:crypto';
import { type DeadLettered, MESSAGE_TYPES, type Message } from '#contracts';
import { type Clock, derivedId, type JsonObject } from '#kernel';

export interface FailedDelivery {
  message: Message<object>;
  topic: string;
  group: string;
  attempts: number;
  /** A code or class name. */
  error: string;
}

/** The message for the dead-letter topic; giving the same message up again gives the same id. */
export function deadLetterOf(failed: FailedDelivery, clock: Clock): Message<DeadLettered> {
  const { message, topic, group, attempts, error } = failed;
  const digest = createHash('sha256')
    .update(JSON.stringify([group, topic, message.id]))
    .digest();
  return {
    id: derivedId(digest),
    type: MESSAGE_TYPES.deadLettered,
    source: `/tenantry/${group}`,
    subject: message.subject,
    time: clock.now().toISOString(),
    correlationId: message.correlationId,
    causationId: message.id,
    data: { topic, group, attempts, error, message: message as unknown as JsonObject },
  };
}
