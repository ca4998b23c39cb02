export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/** Who did it. `system` acts for nobody: policies, provisioning, expiry. */
export interface Actor {
  type: 'root_key' | 'platform_key' | 'user_key' | 'system';
  id: string;
}

export interface EventMetadata {
  platformId: string | null;
  tenantId: string | null;
  actor: Actor;
  correlationId: string;
  /** The id of the request, message or event that led to this one. */
  causationId: string;
}

/** What `decide` returns: a literal, versioned type (`tenant-user.created.v1`) and its data. */
export interface DomainEvent<Type extends string = string, Data = object> {
  readonly type: Type;
  readonly data: Data;
}

/** An event ready to append. `id` is a UUID and makes a retried append harmless; `at` is RFC 3339 UTC. */
export interface NewEvent<Data = JsonObject> extends DomainEvent<string, Data> {
  readonly id: string;
  readonly at: string;
  readonly metadata: EventMetadata;
  /**
   * What a text of `data` was sealed from, so that read models of this process need not open it again. A function, so
   * that it is in no JSON of the event.
   */
  readonly opened?: () => { sealed: string; clear: JsonObject };
}

/** An event as the log holds it. Revisions start at 0 in each stream; positions grow through the whole log. */
export interface RecordedEvent<Data = JsonObject> extends Omit<NewEvent<Data>, 'opened'> {
  readonly stream: string;
  readonly revision: number;
  readonly position: bigint;
}

/** `category-id`; a category holds no hyphen. */
export const streamName = (category: string, id: string): string => `${category}-${id}`;

export const categoryOf = (stream: string): string => stream.slice(0, stream.indexOf('-'));

export const streamId = (stream: string): string => stream.slice(stream.indexOf('-') + 1);
