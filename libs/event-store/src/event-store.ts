import type { Identifier, IdentifierKind, NewEvent, RecordedEvent } from '#kernel';

/** So many logs can be told apart by their positions: each uses those that leave its number as the remainder. */
export const LOG_NUMBERS = 8;

/** The revision that the stream's last event must have, or `no_stream` where the stream must not exist yet. */
export type ExpectedRevision = number | 'no_stream';

export interface AppendResult {
  /** The revision of the last event of the append. */
  revision: number;
  /** The position of the last event of the append. */
  position: bigint;
  /** Positions of all its events, in order, where the adapter knows them; the last is `position`. */
  events: RecordedEvent[];
}

/** Digests of identifiers, and whose they are to be by which revision of the holder's stream. */
export interface ClaimedKeys {
  keys: readonly Uint8Array[];
  holder: string;
  revision: number;
}

export interface AppendOptions {
  /** The same in a form that a store takes which keeps claims beside the log: see `takesClaims`. */
  claimed?: ClaimedKeys;
  /** What the id of the stream must come to hold by this append: all of it, or nothing is appended. */
  claims?: readonly Identifier[];
}

export interface Batch {
  /** In log order; may be empty when only the position moved. */
  events: RecordedEvent[];
  /** Everything up to and including this position has been handed over, whether it passed the filter or not. */
  position: bigint;
}

export interface SubscribeOptions {
  /** Exclusive; 0n is the beginning of the log. */
  after: bigint;
  /** Stream categories to deliver; all when left out. */
  categories?: readonly string[];
  /** At most this many events a batch; 512 by default. */
  maxBatchSize?: number;
}

export interface Subscription {
  /** Stops and waits for a batch that is under way. */
  close(): Promise<void>;
}

export interface ReadOptions {
  /** The revision of the first event, inclusive: 0 by default, or the stream's last where `backwards`. */
  from?: number;
  /** From 1 up to 512, which is the default; more counts as 512. */
  limit?: number;
  /** Newest first, from `from` downwards. */
  backwards?: boolean;
}

/**
 * The append-only log.
 *
 * Ordering: positions are strictly increasing in the order in which appends became visible; a subscriber never
 * sees position n+1 before n, and sees each event exactly once while the subscription lives.
 * Atomicity: the events of one append are stored all together or not at all, in one stream.
 * Durability: `append` resolves only after the events survive a crash of process and machine.
 * Idempotency: an append whose stream already holds exactly these event ids right after `expected` succeeds
 * again with the first write's result and changes nothing.
 */
export interface EventStore {
  /** No other process writes to this log while it is open. */
  readonly exclusive?: boolean;
  /** `claimed` of an append is claimed in the same commit; throws KeyTaken where another holder has one of the keys. */
  readonly takesClaims?: boolean;

  /**
   * Throws RevisionConflict when the stream is elsewhere, IdentifierTaken when another id holds what is claimed (only
   * ClaimingEventStore and what is built like it take claims), TenantryError `unavailable` when the log can't be
   * reached or the outcome is unknown after retries, `invalid_input`/`payload_too_large` above 1 MiB.
   */
  append(
    stream: string,
    expected: ExpectedRevision,
    events: readonly NewEvent[],
    options?: AppendOptions,
  ): Promise<AppendResult>;

  /**
   * One page of a stream, empty where it has no event there. A page is short for other reasons than the stream's end
   * too: it is ended when its data comes to about 1 MiB, after at least one event. `pages` reads on.
   */
  read(stream: string, options?: ReadOptions): Promise<RecordedEvent[]>;

  /**
   * Catches up from `after`, then follows live. `onBatch` is awaited before the next batch (back-pressure; at
   * most `maxBatchSize` events are held). If it rejects, the same batch is offered again after a backoff of
   * 100 ms, doubling to 5 s.
   */
  subscribe(options: SubscribeOptions, onBatch: (batch: Batch) => Promise<void>): Subscription;

  /** The position of the last event in the log; 0n when it is empty. */
  head(): Promise<bigint>;

  /** Rejects with the reason if the log can't take an append just now. */
  ready(): Promise<void>;

  close(): Promise<void>;
}

/** The stream was not at the expected revision. `actual` is where it is. */
export class RevisionConflict extends Error {
  override readonly name = 'RevisionConflict';
  constructor(
    readonly stream: string,
    readonly expected: ExpectedRevision,
    readonly actual: ExpectedRevision,
  ) {
    super(`stream ${stream} is at ${actual}, expected ${expected}`);
  }
}

/** Nothing was appended: another holder has the key of this index. */
export class KeyTaken extends Error {
  override readonly name = 'KeyTaken';
  constructor(
    readonly index: number,
    readonly holder: string,
    readonly revision: number,
  ) {
    super(`an identifier is held by ${holder}`);
  }
}

/** Another id holds what was claimed. It does not say what that is: values are personal. */
export class IdentifierTaken extends Error {
  override readonly name = 'IdentifierTaken';
  constructor(
    readonly kind: IdentifierKind,
    readonly holder: string,
  ) {
    super(`${kind} is held by ${holder}`);
  }
}
