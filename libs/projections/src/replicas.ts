import type { Checkpoint } from './checkpoints.js';

/** What one process alone may run at a time: a projection, a policy, a relay. Its checkpoint has the same name. */
export interface Role {
  readonly name: string;
  /** How far this process has brought it. */
  readonly position: bigint;
  /** It is this process's now. A rejection gives it back, and it is tried again. */
  lead(): Promise<void>;
  /** Nobody can tell any more whose it is or how far it has come: what runs it stops at once. */
  halt(): void;
  /** Another process has brought it here: readers see it. What was told before may come once more. */
  follow(checkpoint: Checkpoint): void;
  /** Another process has passed events that did not concern it, after all that `follow` told. */
  passed(position: bigint): void;
}

/**
 * The processes that share a read database agree through it on who runs what, and tell one another how far that has
 * come. Of a role at most one process is told to lead; another one is within 10 s after the death of the first, and
 * at once after it has left. A process that lost touch is told to halt before another one leads, save where it
 * stands still itself: what it commits then is refused by the checkpoint.
 */
export interface Replicas {
  /** Resolves when it leads or another process does. Rejects as the first `lead` does. */
  join(role: Role): Promise<void>;
  /** To be called once nothing of it runs any more. */
  leave(role: Role): Promise<void>;
  /** The position has moved without a commit. */
  moved(role: Role): void;
  /** Once all roles have left. */
  close(): Promise<void>;
}

/** For engines of which a process has its own. */
export const singleProcess: Replicas = {
  join: (role) => role.lead(),
  leave: async () => undefined,
  moved: () => undefined,
  close: async () => undefined,
};
