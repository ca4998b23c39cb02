import { isDeepStrictEqual } from 'node:util';

/** The fields that `changes` gives another value than they have. */
export function differing<Changes extends object>(
  changes: Changes,
  current: { [Name in keyof Changes]?: unknown },
): Changes {
  const names = Object.keys(changes) as (keyof Changes)[];
  const kept = names.filter(
    (name) => changes[name] !== undefined && !isDeepStrictEqual(changes[name], current[name]),
  );
  return Object.fromEntries(kept.map((name) => [name, changes[name]])) as Changes;
}
