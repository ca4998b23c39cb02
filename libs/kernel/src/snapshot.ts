import type { JsonObject } from './event.js';

/** How an aggregate's state is kept, so that a long stream need not be folded from its beginning. */
export interface SnapshotFormat<State> {
  /** Raised when the state changes, or what `evolve` makes of any event: older snapshots are then made again. */
  readonly version: number;
  toJson(state: State): JsonObject;
  /** Undoes `toJson`. */
  fromJson(json: JsonObject): State;
  /** The key of the person whose data the state holds; null where it holds nobody's. */
  subjectKey(state: State): string | null;
}

interface FormatOptions<State> {
  version: number;
  /** The names of the state's own fields that are Maps. */
  maps?: readonly string[];
  subjectKey?: (state: State) => string | null;
}

/** For states that are JSON but for Maps among their own fields; a Map's values are JSON. */
export const snapshotFormat = <State extends object>({
  version,
  maps = [],
  subjectKey = () => null,
}: FormatOptions<State>): SnapshotFormat<State> => ({
  version,
  toJson: (state) => withFields(state, maps, (map) => [...(map as Map<string, unknown>)]) as JsonObject,
  fromJson: (json) => withFields(json, maps, (entries) => new Map(entries as [string, unknown][])) as State,
  subjectKey,
});

/** The object with those of its fields that are there turned into something else. */
function withFields(object: object, names: readonly string[], turn: (value: unknown) => unknown): object {
  const turned = Object.entries(object)
    .filter(([name]) => names.includes(name))
    .map(([name, value]) => [name, turn(value)] as const);
  return { ...object, ...Object.fromEntries(turned) };
}
