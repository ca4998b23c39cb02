import {
  type Identifier,
  type IdentifierKind,
  isTenantryError,
  type NewEvent,
  streamId,
  TenantryError,
  Turns,
} from '#kernel';
import {
  type AppendOptions,
  type AppendResult,
  type Batch,
  type ClaimedKeys,
  type EventStore,
  type ExpectedRevision,
  IdentifierTaken,
  KeyTaken,
  type ReadOptions,
  RevisionConflict,
  type SubscribeOptions,
  type Subscription,
} from './event-store.js';

/** Whose a value is, and the revision of the event in the holder's stream that gives it. */
interface Claim {
  holder: string;
  revision: number;
}

type TakenIdentifier = Claim & { identifier: Identifier };

/** What an IdentifierRegistry does for appends. */
export interface ClaimRegistry {
  /** All or none; answers the first that another holder has. */
  claim(identifiers: readonly Identifier[], claim: Claim): Promise<TakenIdentifier | undefined>;
  /** Frees those that the holder claimed for that revision or an earlier one. */
  release(identifiers: readonly Identifier[], claim: Claim): Promise<void>;
  releaseHolder(holder: string): Promise<void>;
  /** What a store claims for them that keeps claims beside the log. Throws what `claim` throws. */
  keysOf(identifiers: readonly Identifier[]): Promise<readonly Uint8Array[]>;
}

/** What the log says of a holder, read from the log and never from a cache that may be behind it. */
export interface Holders {
  /** `ended`: neither has it nor ever will. `open`: does not have it, and may come to have it. */
  standing(identifier: Identifier, holder: string): Promise<'holds' | 'open' | 'ended'>;
  /**
   * Sees to it that nothing that was claimed for the holder before can come to be, also in other processes: appends
   * an event to its stream unless it holds the value after all. Answers the stream's last revision.
   */
  fence(identifier: Identifier, holder: string): Promise<number>;
}

const MAX_ATTEMPTS = 8;

/**
 * An event store whose appends claim identifiers: claim, then append. A claim that came to no event is taken over by
 * whoever wants the value next. Where this process is the log's only writer that is so when no append of the holder is
 * under way here; else the holder's stream is fenced first, so that an append which is only slow finds itself refused.
 */
export class ClaimingEventStore implements EventStore {
  readonly #inner: EventStore;
  readonly #registry: ClaimRegistry;
  readonly #holders = new Map<IdentifierKind, Holders>();
  /** By holder: in its turn, no append of its own is under way here. */
  readonly #turns = new Turns();

  constructor(inner: EventStore, registry: ClaimRegistry) {
    this.#inner = inner;
    this.#registry = registry;
  }

  get exclusive(): boolean {
    return this.#inner.exclusive ?? false;
  }

  /** Who answers for the holders of these kinds. */
  answerFor(kinds: readonly IdentifierKind[], holders: Holders): void {
    for (const kind of kinds) this.#holders.set(kind, holders);
  }

  async append(
    stream: string,
    expected: ExpectedRevision,
    events: readonly NewEvent[],
    { claims = [] }: AppendOptions = {},
  ): Promise<AppendResult> {
    const append = (claimed?: ClaimedKeys) =>
      this.#inner.append(stream, expected, events, claimed ? { claimed } : {});
    if (claims.length === 0) return append();
    const claim = { holder: streamId(stream), revision: expected === 'no_stream' ? 0 : expected + 1 };
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const outcome = await this.#turns.take(claim.holder, () => this.#attempt(claims, claim, append));
      if (!('identifier' in outcome)) return outcome;
      // Outside of the holder's turn, so that no two can wait for each other.
      await this.#takeOver(outcome);
    }
    throw new TenantryError('conflict', 'an identifier is being claimed too often at the same time');
  }

  read(stream: string, options?: ReadOptions) {
    return this.#inner.read(stream, options);
  }

  subscribe(options: SubscribeOptions, onBatch: (batch: Batch) => Promise<void>): Subscription {
    return this.#inner.subscribe(options, onBatch);
  }

  head(): Promise<bigint> {
    return this.#inner.head();
  }

  ready(): Promise<void> {
    return this.#inner.ready();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  async #attempt(
    claims: readonly Identifier[],
    claim: Claim,
    append: (claimed?: ClaimedKeys) => Promise<AppendResult>,
  ): Promise<AppendResult | TakenIdentifier> {
    const isOneCommit = this.#inner.takesClaims ?? false;
    const keys = isOneCommit ? await this.#registry.keysOf(claims) : [];
    const taken = isOneCommit ? undefined : await this.#registry.claim(claims, claim);
    if (taken) return taken;
    try {
      return await (isOneCommit ? append({ keys, ...claim }) : append());
    } catch (error) {
      if (error instanceof KeyTaken) {
        const { index, holder, revision } = error;
        return { identifier: claims[index] as Identifier, holder, revision };
      }
      // What may still come keeps its claims.
      const isUnsure = isTenantryError(error)
        ? error.kind === 'unavailable'
        : !(error instanceof RevisionConflict);
      if (!isUnsure) await this.#releaseVain(claims, claim).catch(() => undefined);
      throw error;
    }
  }

  /** Frees what is in the way if nothing comes of it. Throws IdentifierTaken if something did. */
  async #takeOver({ identifier, ...claim }: TakenIdentifier): Promise<void> {
    const { holder } = claim;
    const standing = await this.#standing(identifier, holder);
    if (standing === 'holds') throw new IdentifierTaken(identifier.kind, holder);
    if (standing === 'ended') return this.#registry.releaseHolder(holder);
    if (this.exclusive) {
      return this.#turns.take(holder, () => this.#releaseVain([identifier], claim));
    }
    // What is under way here is about to end by itself.
    await this.#turns.take(holder, async () => undefined);
    const revision = await this.#holdersOf(identifier).fence(identifier, holder);
    await this.#releaseVain([identifier], { holder, revision });
  }

  /** Not those that the holder has by another event. */
  async #releaseVain(claims: readonly Identifier[], claim: Claim): Promise<void> {
    for (const identifier of claims) {
      if ((await this.#standing(identifier, claim.holder)) === 'holds') continue;
      await this.#registry.release([identifier], claim);
    }
  }

  #standing(identifier: Identifier, holder: string) {
    return this.#holdersOf(identifier).standing(identifier, holder);
  }

  #holdersOf({ kind }: Identifier): Holders {
    const holders = this.#holders.get(kind);
    if (!holders) throw new Error(`nobody answers for the holders of ${kind}`);
    return holders;
  }
}
