import type { DomainEvent } from './event.js';
import type { SnapshotFormat } from './snapshot.js';

/** What folds the events of a stream into a state. */
export interface Evolver<State, Event extends DomainEvent> {
  /** The first part of the stream's name. */
  readonly category: string;
  readonly initialState: State;
  /** Must know every stored version of every event of its category. Returns a new state. */
  evolve(state: State, event: Event): State;
  /** Given where streams grow long. */
  readonly snapshot?: SnapshotFormat<State>;
}

/**
 * An aggregate as two pure functions (Jérémie Chassaing, "Functional Event Sourcing Decider").
 * Clock, ids and randomness come in with the command. `decide` throws a TenantryError to refuse, and returns
 * no events when there is nothing to change.
 */
export interface Decider<State, Command, Event extends DomainEvent> extends Evolver<State, Event> {
  decide(command: Command, state: State): Event[];
}
