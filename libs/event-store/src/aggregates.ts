import {
  type Clock,
  type CommandContext,
  type Decider,
  type DomainEvent,
  type Identifier,
  isTenantryError,
  type NewEvent,
  repeatableRequest,
  streamName,
  TenantryError,
  Turns,
  uniqueId,
} from '#kernel';
import {
  type Aggregate,
  type AppendedEvent,
  absent,
  type EventCodec,
  type Executed,
  type Known,
  requireRevision,
  told,
} from './aggregates/aggregate.js';
import { AggregateCache, type CacheBounds } from './aggregates/aggregate-cache.js';
import { Folding } from './aggregates/folding.js';
import { Repeats } from './aggregates/repeats.js';
import { type SnapshotParts, Snapshots } from './aggregates/snapshots.js';
import { States } from './aggregates/states.js';
import { type EventStore, RevisionConflict } from './event-store.js';

export interface ExecuteOptions {
  context: CommandContext;
  /** Refuse with `revision_mismatch` unless the aggregate is at this revision (`If-Match`). */
  ifRevision?: number;
  /** Don't read the stream first: it most likely does not exist. A conflict reads it and decides again. */
  expectNew?: boolean;
  /** What the aggregate must come to hold by what is appended. Throws IdentifierTaken when another one holds it. */
  claims?: readonly Identifier[];
  /** Before the commands that wait here for the same stream, one of which may itself wait for what asks for this. */
  outOfTurn?: boolean;
}

/** Must not reject: the events are there whatever becomes of it. */
export type AfterAppend = (events: readonly AppendedEvent[]) => Promise<void>;

export interface AggregatesOptions {
  cache?: Partial<CacheBounds>;
  /** Without them each long stream is folded from its beginning. */
  snapshots?: SnapshotParts;
}

const MAX_ATTEMPTS = 8;
const CACHE: CacheBounds = { maxEntries: 20_000, maxBytes: 67_108_864 };

/**
 * Runs commands: load → decide → append → evolve. States are cached; with several replicas a stale one shows as
 * a conflict, is caught up from the log and decided again. A refusal, or a decision that nothing is to be done, has
 * no append to show it, so neither is made on a state that was only cached. Commands on one stream wait for each
 * other here, so that only other processes and fences can cause conflicts. A repeatable request whose events a stream holds
 * already is not decided again: it gets the aggregate as of then.
 */
export class Aggregates {
  private readonly states: States;
  private readonly repeats: Repeats;
  private readonly turns = new Turns();
  /** Apart from the commands' turns: whoever has one of those may ask for any stream, its own among them. */
  private readonly reads = new Turns();
  private afterAppend: AfterAppend | undefined;

  constructor(
    private readonly store: EventStore,
    private readonly codec: EventCodec,
    private readonly clock: Clock,
    { cache: bounds, snapshots: parts }: AggregatesOptions = {},
  ) {
    const cache = new AggregateCache({ ...CACHE, ...bounds });
    const snapshots = parts && new Snapshots(parts);
    const folding = new Folding(store, codec, snapshots);
    this.states = new States({ store, cache, folding, snapshots });
    this.repeats = new Repeats(store, folding);
  }

  /** What is to be done about events once they are durable, before the command that made them resolves. */
  onAppended(afterAppend: AfterAppend): void {
    this.afterAppend = afterAppend;
  }

  /** As of the log's last word, also where other processes write. */
  async load<State, Command, Event extends DomainEvent>(
    decider: Decider<State, Command, Event>,
    id: string,
  ): Promise<Aggregate<State>> {
    const known = this.states.kept<State>(streamName(decider.category, id));
    return known && this.store.exclusive ? told(known) : this.refresh(decider, id);
  }

  /** As of the log itself, also of what an append has stored whose command here has not come to its end. */
  async refresh<State, Command, Event extends DomainEvent>(
    decider: Decider<State, Command, Event>,
    id: string,
  ): Promise<Aggregate<State>> {
    const stream = streamName(decider.category, id);
    const read = () => this.states.caughtUp(decider, stream, this.states.kept<State>(stream));
    // Many who ask for a long stream at once wait for one of them to read it.
    return told(await (this.states.kept(stream) ? read() : this.reads.take(stream, read)));
  }

  /**
   * As it was known here last, which may be out of date where other processes write: for a look ahead of a command that
   * itself decides on what is true.
   */
  async peek<State, Command, Event extends DomainEvent>(
    decider: Decider<State, Command, Event>,
    id: string,
  ): Promise<Aggregate<State>> {
    const known = this.states.kept<State>(streamName(decider.category, id));
    return known ? told(known) : this.load(decider, id);
  }

  /** What the state would be after the command, which is refused as `execute` would; nothing is appended. */
  async preview<State, Command, Event extends DomainEvent>(
    decider: Decider<State, Command, Event>,
    id: string,
    command: Command,
    { ifRevision }: Pick<ExecuteOptions, 'ifRevision'> = {},
  ): Promise<State> {
    const known = await this.load(decider, id);
    const events = decider.decide(command, known.state);
    requireRevision(known, ifRevision);
    return events.reduce((state, event) => decider.evolve(state, event), known.state);
  }

  /**
   * Throws what `decide` throws, `conflict` with code `revision_mismatch` when `ifRevision` does not hold, and
   * `conflict` when other writers win 8 times in a row.
   */
  async execute<State, Command, Event extends DomainEvent>(
    decider: Decider<State, Command, Event>,
    id: string,
    command: Command,
    options: ExecuteOptions,
  ): Promise<Executed<State, Event>> {
    const stream = streamName(decider.category, id);
    const run = () => this.run(decider, stream, command, options);
    return options.outOfTurn ? run() : this.turns.take(stream, run);
  }

  private async run<State, Command, Event extends DomainEvent>(
    decider: Decider<State, Command, Event>,
    stream: string,
    command: Command,
    options: ExecuteOptions,
  ): Promise<Executed<State, Event>> {
    let { known, isCertain } = await this.basis(decider, stream, options);
    let earlier: Known<State> | undefined;
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const done = await this.repeats.find(decider, stream, known, earlier);
      if (done) return done;
      try {
        // What the command may not see is told by `decide` alone, so it comes before the revision.
        const events = decider.decide(command, known.state);
        requireRevision(known, options.ifRevision);
        if (events.length > 0) return await this.append(decider, stream, known, { events, options });
        if (isCertain) return { ...told(known), events };
      } catch (error) {
        const isDoubtful = !isCertain && isTenantryError(error) && error.kind !== 'unavailable';
        if (!(error instanceof RevisionConflict) && !isDoubtful) throw error;
      }
      earlier = known;
      known = await this.states.caughtUp(decider, stream, known);
      isCertain = true;
    }
    throw new TenantryError('conflict', `${decider.category} is being changed too often at the same time`);
  }

  /** What to decide on; it is certain where it is the log's last word, or the cache's where nobody else writes. */
  private async basis<State, Command, Event extends DomainEvent>(
    decider: Decider<State, Command, Event>,
    stream: string,
    { expectNew }: ExecuteOptions,
  ): Promise<{ known: Known<State>; isCertain: boolean }> {
    const kept = this.states.kept<State>(stream);
    const isTrue = kept !== undefined && this.store.exclusive;
    const guess = kept ?? (expectNew ? absent(decider) : undefined);
    // A request that comes again may have been here by another process, so that a guess is not enough.
    if (guess && !isTrue && !repeatableRequest()?.resumed) return { known: guess, isCertain: false };
    return { known: await this.states.certain(decider, stream), isCertain: true };
  }

  private async append<State, Command, Event extends DomainEvent>(
    decider: Decider<State, Command, Event>,
    stream: string,
    known: Known<State>,
    { events, options }: { events: Event[]; options: ExecuteOptions },
  ): Promise<Executed<State, Event>> {
    const now = this.clock.now().toISOString();
    // Times within a stream never go back, whatever the clock does.
    const at = known.updatedAt && known.updatedAt > now ? known.updatedAt : now;
    const { claims = [] } = options;
    const metadata = this.repeats.caused(options.context);
    const encoded = await Promise.all(
      events.map(({ type, data }) => this.codec.encode({ id: uniqueId(), type, data, at, metadata }, stream)),
    );
    const { revision, position } = await this.store.append(stream, known.revision, encoded, { claims });
    const first = revision - encoded.length + 1;
    const appended = encoded.map(({ opened: _, ...event }, index) => {
      return { ...event, stream, revision: first + index };
    });
    this.repeats.pass(stream, revision);
    const state = events
      .map((event, index) => this.codec.known?.(event, encoded[index] as NewEvent) ?? event)
      .reduce((current, event) => decider.evolve(current, event), known.state);
    const made = { state, revision, position, events: appended };
    const next = this.states.appended(decider, stream, known, made);
    await this.afterAppend?.(appended);
    return { ...next, events };
  }
}
