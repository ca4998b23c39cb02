import type { DomainEvent, Evolver, RecordedEvent } from '#kernel';
import type { EventStore } from '../event-store.js';
import { pages } from '../pages.js';
import { absent, type EventCodec, type Known, lastRevisionOf } from './aggregate.js';
import { RecentCauses } from './recent-causes.js';
import type { Snapshots } from './snapshots.js';

/** A snapshot of a shorter stream would hardly be faster. */
const MIN_SNAPSHOT_REVISION = 256;

/** Makes states of what the log holds, a page at a time. */
export class Folding {
  constructor(
    private readonly store: EventStore,
    private readonly codec: EventCodec,
    private readonly snapshots: Snapshots | undefined,
  ) {}

  /** As of the log: `known` and what the log holds beyond it, or all of the stream. */
  async current<State, Event extends DomainEvent>(
    evolver: Evolver<State, Event>,
    stream: string,
    known?: Known<State>,
  ): Promise<Known<State>> {
    if (known?.lastId) return this.foldOn(evolver, stream, known);
    const [last] = await this.store.read(stream, { backwards: true, limit: 1 });
    return last ? this.asOf(evolver, stream, last.revision) : absent(evolver);
  }

  /** As of a revision that the stream has come to; from `earlier` where that is not later. */
  async asOf<State, Event extends DomainEvent>(
    evolver: Evolver<State, Event>,
    stream: string,
    revision: number,
    earlier?: Known<State>,
  ): Promise<Known<State>> {
    if (earlier?.lastId && lastRevisionOf(earlier) <= revision) {
      return this.foldOn(evolver, stream, earlier, revision);
    }
    const saved = revision < MIN_SNAPSHOT_REVISION ? undefined : await this.saved(evolver, stream, revision);
    return this.foldOn(evolver, stream, saved ?? absent(evolver), revision);
  }

  /** Events of the stream as the domain knows them. */
  async events<Event extends DomainEvent>(stream: string, revisions: readonly number[]): Promise<Event[]> {
    const [from, to] = [revisions[0] ?? 0, revisions.at(-1) ?? -1];
    const found: Event[] = [];
    for await (const page of pages(this.store, stream, { from, to })) {
      for (const stored of page) if (revisions.includes(stored.revision)) found.push(await this.open(stored));
    }
    return found;
  }

  private async foldOn<State, Event extends DomainEvent>(
    evolver: Evolver<State, Event>,
    stream: string,
    known: Known<State>,
    to?: number,
  ): Promise<Known<State>> {
    let current = known;
    const range = { from: lastRevisionOf(known) + 1, ...(to !== undefined && { to }) };
    for await (const page of pages(this.store, stream, range)) {
      for (const stored of page) current = await this.fold(evolver, current, stored);
    }
    return current;
  }

  private async fold<State, Event extends DomainEvent>(
    evolver: Evolver<State, Event>,
    { state, createdAt, causes, unsaved }: Known<State>,
    stored: RecordedEvent,
  ): Promise<Known<State>> {
    const next = evolver.evolve(state, await this.open<Event>(stored));
    const { revision, position, id, at } = stored;
    causes.add(stored, position);
    const times = { createdAt: createdAt ?? at, updatedAt: at };
    return { state: next, revision, position, ...times, lastId: id, causes, unsaved: unsaved + 1 };
  }

  /** From the stream's snapshot, if the log holds the event that it is as of. */
  private async saved<State, Event extends DomainEvent>(
    evolver: Evolver<State, Event>,
    stream: string,
    upTo: number,
  ): Promise<Known<State> | undefined> {
    const saved = await this.snapshots?.find(evolver, stream);
    if (!saved || saved.revision > upTo) return undefined;
    const { state, revision, eventId, createdAt } = saved;
    const [stored] = await this.store.read(stream, { from: revision, limit: 1 });
    if (stored?.id !== eventId) return undefined;
    const { position, id: lastId, at } = stored;
    const causes = new RecentCauses({ last: revision, position });
    return { state, revision, position, createdAt, updatedAt: at, lastId, causes, unsaved: 0 };
  }

  private async open<Event extends DomainEvent>(stored: RecordedEvent): Promise<Event> {
    const { type, data } = await this.codec.decode(stored);
    return { type, data } as Event;
  }
}
