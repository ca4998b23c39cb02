/**
 * Whose a value is, and by which event. `revision` is that of the event which gives it to the holder, in the holder's
 * own stream. It is a fencing token: once the stream has come to it by another event, the claim comes to nothing.
 */
export interface Claim {
  holder: string;
  revision: number;
}

/** What a holder has of one kind from an event on, null where that is no value; nothing of any kind once it is gone. */
export type KeyHolding = (Claim & { kind: number; key: Uint8Array | null }) | { holder: string; gone: true };

/** Two holders of one value in an old log: the older one keeps it, the younger one has it unclaimed until it changes it. */
export interface KeyCollision {
  kind: number;
  older: string;
  younger: string;
}

export interface TakenKey extends Claim {
  /** The first of the keys that is taken. */
  index: number;
}

/** As many are told of. */
export const MAX_COLLISIONS = 100;

/** Where claims are kept, under digests that can be tested against nothing once their row is gone. */
export interface IdentifierRows {
  find(key: Uint8Array): Promise<Claim | undefined>;
  /** Durable when it resolves; all or none. Of keys that the holder has, the later revision counts. */
  claim(keys: readonly Uint8Array[], claim: Claim): Promise<TakenKey | undefined>;
  /** Frees those of these keys that the holder claimed for that revision or an earlier one. */
  release(keys: readonly Uint8Array[], claim: Claim): Promise<void>;
  /**
   * Frees what these, in the order of their events, say that is not held any more: claims for a later revision stay.
   * With `fill`, what is held is claimed too.
   */
  follow(holdings: readonly KeyHolding[], options: { fill: boolean }): Promise<void>;
  /** Those that are left; some of them where there are many. */
  collisions(): Promise<KeyCollision[]>;
  /** Whether all that the log holds has been claimed: that of an old log is filled in from it. */
  isComplete(): Promise<boolean>;
  complete(): Promise<void>;
}
