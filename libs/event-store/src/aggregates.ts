import { LRUCache } from 'lru-cache';
import {
  type Clock,
  type CommandContext,
  type Decider,
  type DomainEvent,
  type Identifier,
  isTenantryError,
  type NewEvent,
  type RecordedEvent,
  repeatableRequest,
  streamName,
  TenantryError,
  uniqueId,
} from '#kernel';
import { type EventStore, type ExpectedRevision, RevisionConflict } from './event-store.js';

/** Turns domain events into what the log may hold and back: personal data is sealed on the way in. */
export interface EventCodec {
  encode(event: NewEvent<object>, stream: string): Promise<NewEvent>;
  /** Personal data comes back as `null` once its key has been destroyed. */
  decode(event: RecordedEvent): Promise<RecordedEvent<object>>;
  /** What `decode` would make of the event that was just encoded; the event itself when left out. */
  known?<Event extends DomainEvent>(event: Event, encoded: NewEvent): Event;
}

/** An aggregate as of its last event; `revision` is `no_stream` and `position` 0n before the first. */
export interface Aggregate<State> {
  state: State;
  revision: ExpectedRevision;
  position: bigint;
}

export interface ExecuteOptions {
  context: CommandContext;
  /** Refuse with `revision_mismatch` unless the aggregate is at this revision (`If-Match`). */
  ifRevision?: number;
  /** Don't read the stream first: it most likely does not exist. A conflict reads it and decides again. */
  expectNew?: boolean;
  /** What the aggregate must come to hold by what is appended. Throws IdentifierTaken when another one holds it. */
  claims?: readonly Identifier[];
}

/** What a command made of an aggregate, and the events that it appended, in order. */
export interface Executed<State, Event> extends Aggregate<State> {
  events: readonly Event[];
}

/** `done` is as of the last event that the repeatable request at hand appended before. */
interface Read<State, Event> {
  latest: Aggregate<State>;
  done?: Executed<State, Event> | undefined;
  /** Not read from the log just now, and other processes write to it. */
  mayBeStale?: boolean;
}

/** An event that is durable, wherever in the log it stands. */
export type AppendedEvent = Omit<RecordedEvent, 'position'>;

/** Must not reject: the events are there whatever becomes of it. */
export type AfterAppend = (events: readonly AppendedEvent[]) => Promise<void>;

const MAX_ATTEMPTS = 8;

const absent = <State>({ initialState }: { initialState: State }): Aggregate<State> => ({
  state: initialState,
  revision: 'no_stream',
  position: 0n,
});

/**
 * Runs commands: load → decide → append → evolve. States are cached; with several replicas a stale one shows as
 * a conflict, is caught up from the log and decided again. A refusal, or a decision that nothing is to be done, has
 * no append to show it, so neither is made on a state that was only cached. Commands on one stream wait for each other here, so
 * that only other processes can cause conflicts. A repeatable request whose events a stream holds already is not
 * decided again: it gets the aggregate as of then.
 */
export class Aggregates {
  private readonly cache: LRUCache<string, Aggregate<unknown>>;
  private readonly tails = new Map<string, Promise<unknown>>();
  private afterAppend: AfterAppend | undefined;

  constructor(
    private readonly store: EventStore,
    private readonly codec: EventCodec,
    private readonly clock: Clock,
    cacheSize = 20_000,
  ) {
    this.cache = new LRUCache({ max: cacheSize });
  }

  /** What is to be done about events once they are durable, before the command that made them resolves. */
  onAppended(afterAppend: AfterAppend): void {
    this.afterAppend = afterAppend;
  }

  async load<State, Command, Event extends DomainEvent>(
    decider: Decider<State, Command, Event>,
    id: string,
  ): Promise<Aggregate<State>> {
    const stream = streamName(decider.category, id);
    return this.cached<State>(stream) ?? (await this.catchUp(decider, stream, undefined)).latest;
  }

  /** As of the log's last word, also where other processes write. */
  async refresh<State, Command, Event extends DomainEvent>(
    decider: Decider<State, Command, Event>,
    id: string,
  ): Promise<Aggregate<State>> {
    const stream = streamName(decider.category, id);
    return (await this.catchUp(decider, stream, this.cached<State>(stream))).latest;
  }

  /** What the state would be after the command, which is refused as `execute` would; nothing is appended. */
  async preview<State, Command, Event extends DomainEvent>(
    decider: Decider<State, Command, Event>,
    id: string,
    command: Command,
    { ifRevision }: Pick<ExecuteOptions, 'ifRevision'> = {},
  ): Promise<State> {
    const known = await this.refresh(decider, id);
    const events = decider.decide(command, known.state);
    this.checkRevision(known, ifRevision);
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
    return this.inTurn(stream, () => this.run(decider, stream, command, options));
  }

  private async run<State, Command, Event extends DomainEvent>(
    decider: Decider<State, Command, Event>,
    stream: string,
    command: Command,
    options: ExecuteOptions,
  ): Promise<Executed<State, Event>> {
    let known = await this.start(decider, stream, options);
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      if (known.done) return known.done;
      const { latest } = known;
      try {
        // What the command may not see is told by `decide` alone, so it comes before the revision.
        const events = decider.decide(command, latest.state);
        this.checkRevision(latest, options.ifRevision);
        if (events.length > 0) return await this.append(decider, stream, latest, { ...options, events });
        if (!known.mayBeStale) return { ...latest, events };
      } catch (error) {
        const isUncertain = known.mayBeStale && isTenantryError(error) && error.kind !== 'unavailable';
        if (!(error instanceof RevisionConflict) && !isUncertain) throw error;
      }
      known = await this.catchUp(decider, stream, latest);
    }
    throw new TenantryError('conflict', `${decider.category} is being changed too often at the same time`);
  }

  /** What to decide on; what is known from before is not enough for a request that may have got here already. */
  private async start<State, Command, Event extends DomainEvent>(
    decider: Decider<State, Command, Event>,
    stream: string,
    options: ExecuteOptions,
  ): Promise<Read<State, Event>> {
    if (repeatableRequest()?.resumed) return this.catchUp(decider, stream, undefined);
    const known = this.cached<State>(stream) ?? (options.expectNew ? absent(decider) : undefined);
    if (known) return { latest: known, mayBeStale: !this.store.exclusive };
    return this.catchUp(decider, stream, undefined);
  }

  private async append<State, Command, Event extends DomainEvent>(
    decider: Decider<State, Command, Event>,
    stream: string,
    known: Aggregate<State>,
    decided: { events: Event[] } & Pick<ExecuteOptions, 'context' | 'claims'>,
  ): Promise<Executed<State, Event>> {
    const at = this.clock.now().toISOString();
    const encoded = await Promise.all(
      decided.events.map((event) =>
        this.codec.encode(
          { id: uniqueId(), type: event.type, data: event.data, at, metadata: decided.context },
          stream,
        ),
      ),
    );
    const { claims = [] } = decided;
    const { revision, position } = await this.store.append(stream, known.revision, encoded, { claims });
    const events = decided.events.map(
      (event, index) => this.codec.known?.(event, encoded[index] as NewEvent) ?? event,
    );
    const state = events.reduce((current, event) => decider.evolve(current, event), known.state);
    const next = { state, revision, position };
    this.cache.set(stream, next);
    await this.afterAppend?.(
      encoded.map((event, index) => ({ ...event, stream, revision: revision - encoded.length + 1 + index })),
    );
    return { ...next, events: decided.events };
  }

  /** Folds what the log holds beyond `known`. */
  private async catchUp<State, Command, Event extends DomainEvent>(
    decider: Decider<State, Command, Event>,
    stream: string,
    known: Aggregate<State> | undefined,
  ): Promise<Read<State, Event>> {
    const request = repeatableRequest();
    const own: Event[] = [];
    let done: Executed<State, Event> | undefined;
    let current = known ?? absent(decider);
    const from = current.revision === 'no_stream' ? 0 : current.revision + 1;
    for (const stored of await this.store.read(stream, from)) {
      const event = (await this.codec.decode(stored)) as unknown as Event;
      const state = decider.evolve(current.state, event);
      current = { state, revision: stored.revision, position: stored.position };
      if (request && stored.metadata.causationId === request.id) {
        own.push(event);
        done = { ...current, events: own };
      }
    }
    if (current.revision !== 'no_stream') this.cache.set(stream, current);
    return { latest: current, done };
  }

  private checkRevision(known: Aggregate<unknown>, expected: number | undefined): void {
    if (expected === undefined || known.revision === expected || known.revision === 'no_stream') return;
    throw new TenantryError('conflict', 'the revision given in If-Match is not the current one', {
      code: 'revision_mismatch',
    });
  }

  private cached<State>(stream: string): Aggregate<State> | undefined {
    return this.cache.get(stream) as Aggregate<State> | undefined;
  }

  private async inTurn<Result>(stream: string, work: () => Promise<Result>): Promise<Result> {
    const before = this.tails.get(stream);
    const turn = before ? before.then(work, work) : work();
    this.tails.set(stream, turn);
    try {
      return await turn;
    } finally {
      if (this.tails.get(stream) === turn) this.tails.delete(stream);
    }
  }
}
