import type { Actor, EventMetadata } from './event.js';

/** What a command knows of where it comes from; it becomes the metadata of its events. */
export type CommandContext = EventMetadata;

/** The context of something that the system does in answer to an event or a message. */
export const systemContext = (
  cause: { id: string; correlationId: string },
  scope: { platformId: string | null; tenantId: string | null },
  name: string,
): CommandContext => ({
  ...scope,
  actor: { type: 'system', id: name } satisfies Actor,
  correlationId: cause.correlationId,
  causationId: cause.id,
});
