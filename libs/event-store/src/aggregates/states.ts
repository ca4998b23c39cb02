import type { DomainEvent, Evolver } from '#kernel';
import type { EventStore } from '../event-store.js';
import { type Aggregate, type AppendedEvent, type Known, told } from './aggregate.js';
import type { AggregateCache } from './aggregate-cache.js';
import type { Folding } from './folding.js';
import type { Snapshots } from './snapshots.js';

/** A snapshot is made when more than this many events had to be read, or so many were appended since the last one. */
const SNAPSHOT_AFTER_READS = 256;
const SNAPSHOT_AFTER_APPENDS = 499;

interface StatesParts {
  store: EventStore;
  cache: AggregateCache;
  folding: Folding;
  snapshots: Snapshots | undefined;
}

/** The states of streams as they are known here: kept, caught up with the log, and left behind as snapshots. */
export class States {
  constructor(private readonly parts: StatesParts) {}

  /** May be out of date where other processes write. */
  kept<State>(stream: string): Known<State> | undefined {
    return this.parts.cache.get<State>(stream);
  }

  /** As of the log's last word. */
  async certain<State, Event extends DomainEvent>(
    evolver: Evolver<State, Event>,
    stream: string,
  ): Promise<Known<State>> {
    const kept = this.kept<State>(stream);
    return kept && this.parts.store.exclusive ? kept : this.caughtUp(evolver, stream, kept);
  }

  /** `known` and what the log holds beyond it. */
  async caughtUp<State, Event extends DomainEvent>(
    evolver: Evolver<State, Event>,
    stream: string,
    known: Known<State> | undefined,
  ): Promise<Known<State>> {
    const current = await this.parts.folding.current(evolver, stream, known);
    return current.lastId ? this.keep(evolver, stream, current, SNAPSHOT_AFTER_READS) : current;
  }

  /** Keeps and answers what an append has made of `known`. */
  appended<State, Event extends DomainEvent>(
    evolver: Evolver<State, Event>,
    stream: string,
    known: Known<State>,
    made: Pick<Aggregate<State>, 'state' | 'revision' | 'position'> & { events: readonly AppendedEvent[] },
  ): Aggregate<State> {
    const { events, ...next } = made;
    for (const event of events) known.causes.add(event, made.position);
    const last = events.at(-1);
    const times = { createdAt: known.createdAt ?? events[0]?.at, updatedAt: last?.at };
    const unsaved = known.unsaved + events.length;
    const { causes } = known;
    const appended = { ...next, ...times, lastId: last?.id, causes, unsaved };
    this.keep(evolver, stream, appended, SNAPSHOT_AFTER_APPENDS);
    return told(appended);
  }

  /** Answers what is newer, this or what is kept by now. */
  private keep<State, Event extends DomainEvent>(
    evolver: Evolver<State, Event>,
    stream: string,
    known: Known<State>,
    maxUnsaved: number,
  ): Known<State> {
    const isSaved = known.unsaved > maxUnsaved && this.parts.snapshots?.take(evolver, stream, known);
    return this.parts.cache.put(stream, isSaved ? { ...known, unsaved: 0 } : known);
  }
}
