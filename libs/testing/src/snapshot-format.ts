import { readFileSync } from 'node:fs';
import { expect } from '@jest/globals';
import fc from 'fast-check';
import { type Decider, type DomainEvent, type Evolver, isTenantryError, type JsonObject } from '#kernel';

/** On any commands, a state that went through its snapshot at any time decides and evolves like one that did not. */
export function checkSnapshots<State, Command, Event extends DomainEvent>(
  decider: Decider<State, Command, Event>,
  command: fc.Arbitrary<Command>,
): void {
  const steps = fc.array(fc.tuple(command, fc.boolean()), { minLength: 1, maxLength: 40, size: 'max' });
  fc.assert(
    fc.property(steps, (history) => {
      let [folded, kept] = [decider.initialState, decider.initialState];
      for (const [next, isSaved] of history) {
        if (isSaved) kept = throughSnapshot(decider, kept);
        const outcome = decided(decider, next, folded);
        expect(decided(decider, next, kept)).toEqual(outcome);
        for (const event of outcome.events ?? []) {
          folded = decider.evolve(folded, event);
          kept = decider.evolve(kept, event);
        }
        expect(kept).toEqual(folded);
        // The order of what a Map holds counts too.
        expect(JSON.stringify(formOf(decider, kept))).toBe(JSON.stringify(formOf(decider, folded)));
      }
    }),
  );
}

/**
 * A state's form as it stands in the file that is named after its version. The file of a version never changes: another
 * form, or other states from the same events, need the next version, or old snapshots would be taken for new ones.
 */
export function expectForm<State, Event extends DomainEvent>(
  evolver: Evolver<State, Event>,
  past: readonly Event[],
  folder: URL,
): void {
  const state = past.reduce((before, event) => evolver.evolve(before, event), evolver.initialState);
  const { version } = formatOf(evolver);
  const name = evolver.category.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const file = new URL(`${name}.${version}.json`, folder);
  expect(formOf(evolver, state)).toEqual(JSON.parse(readFileSync(file, 'utf8')));
  expect(throughSnapshot(evolver, state)).toEqual(state);
}

function decided<State, Command, Event extends DomainEvent>(
  decider: Decider<State, Command, Event>,
  command: Command,
  state: State,
): { events?: Event[]; refused?: string } {
  try {
    return { events: decider.decide(command, state) };
  } catch (error) {
    if (!isTenantryError(error)) throw error;
    return { refused: error.code };
  }
}

const throughSnapshot = <State, Event extends DomainEvent>(
  evolver: Evolver<State, Event>,
  state: State,
): State => formatOf(evolver).fromJson(formOf(evolver, state));

/** As it comes back from where it is kept. */
const formOf = <State, Event extends DomainEvent>(evolver: Evolver<State, Event>, state: State): JsonObject =>
  JSON.parse(JSON.stringify(formatOf(evolver).toJson(state))) as JsonObject;

function formatOf<State, Event extends DomainEvent>({ category, snapshot }: Evolver<State, Event>) {
  if (!snapshot) throw new Error(`${category} has no form for snapshots`);
  return snapshot;
}
