import { type DomainEvent, type NewEvent, type RecordedEvent, TenantryError } from '#kernel';
import type { ExpectedRevision } from '../event-store.js';
import { RecentCauses } from './recent-causes.js';

/** Turns domain events into what the log may hold and back: personal data is sealed on the way in. */
export interface EventCodec {
  encode(event: NewEvent<object>, stream: string): Promise<NewEvent>;
  /** Personal data comes back as `null` once its key has been destroyed. */
  decode(event: RecordedEvent): Promise<RecordedEvent<object>>;
  /** What `decode` would make of the event that was just encoded; the event itself when left out. */
  known?<Event extends DomainEvent>(event: Event, encoded: NewEvent): Event;
}

/** An event that is durable, wherever in the log it stands. */
export type AppendedEvent = Omit<RecordedEvent, 'position'>;

/** An aggregate as of its last event; `revision` is `no_stream` and `position` 0n before the first. */
export interface Aggregate<State> {
  state: State;
  revision: ExpectedRevision;
  position: bigint;
  /** The times of the first event and of the last; undefined before the first. */
  createdAt: string | undefined;
  updatedAt: string | undefined;
}

/** What a command made of an aggregate, and the events that it appended, in order. */
export interface Executed<State, Event extends DomainEvent> extends Aggregate<State> {
  events: readonly Event[];
}

/** An aggregate as it is kept between commands. */
export interface Known<State> extends Aggregate<State> {
  /** The last event's id; undefined before the first. */
  lastId: RecordedEvent['id'] | undefined;
  /** Shared with older and newer states of the stream, so it may tell of later events too. */
  causes: RecentCauses;
  /** How many events would have to be folded to come here from the last snapshot, or from the beginning. */
  unsaved: number;
}

export const absent = <State>({ initialState }: { initialState: State }): Known<State> => ({
  state: initialState,
  revision: 'no_stream',
  position: 0n,
  createdAt: undefined,
  updatedAt: undefined,
  lastId: undefined,
  causes: new RecentCauses(),
  unsaved: 0,
});

/** The revision as a number: -1 for no stream. */
export const lastRevisionOf = ({ revision }: Pick<Aggregate<unknown>, 'revision'>): number =>
  revision === 'no_stream' ? -1 : revision;

export const told = <State>(known: Aggregate<State>): Aggregate<State> => {
  const { state, revision, position, createdAt, updatedAt } = known;
  return { state, revision, position, createdAt, updatedAt };
};

/** Throws `conflict` with code `revision_mismatch` where another revision is required; what is not there has none. */
export function requireRevision({ revision }: Aggregate<unknown>, required: number | undefined): void {
  if (required === undefined || revision === required || revision === 'no_stream') return;
  throw new TenantryError('conflict', 'the revision given in If-Match is not the current one', {
    code: 'revision_mismatch',
  });
}
