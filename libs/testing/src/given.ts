import { expect } from '@jest/globals';
import { type Decider, type DomainEvent, isTenantryError } from '#kernel';

/** Given past events, when a command comes, then these events follow or the command is refused. */
export function given<State, Command, Event extends DomainEvent>(
  decider: Decider<State, Command, Event>,
  past: readonly Event[],
) {
  const before = past.reduce((state, event) => decider.evolve(state, event), decider.initialState);
  return {
    when(command: Command) {
      return {
        then(expected: readonly Event[]): void {
          expect(decider.decide(command, before)).toEqual(expected);
        },
        thenRefused(code: string): void {
          let refusal: unknown;
          try {
            decider.decide(command, before);
          } catch (error) {
            refusal = error;
          }
          expect(isTenantryError(refusal) ? refusal.code : refusal).toBe(code);
        },
      };
    },
  };
}
