import type { PlainError } from './protocol.js';

/** What threads need to make a projection's tables from the log. */
export interface BuildOptions {
  projection: string;
  /** The live file; the one that is built is beside it. */
  live: string;
  log: string;
  keys: string;
  masterKey: Uint8Array;
  /** Addresses of the modules that export the projections. */
  modules: readonly string[];
  /** Whose the file will be. */
  installation?: string | undefined;
}

/** What these threads hold is a page or two; the young generation is wide, since nearly all that they make is short-lived. */
export const BUILD_LIMITS = { maxOldGenerationSizeMb: 192, maxYoungGenerationSizeMb: 64 };

/** One is asked after the other. */
export type BuildStep =
  | { kind: 'begin'; limit: bigint }
  | { kind: 'advance'; to: bigint }
  | { kind: 'compare' }
  | { kind: 'close' };

export type BuildReport =
  | { kind: 'progress'; position: bigint; events: number }
  | { kind: 'done'; answer?: bigint | number | undefined }
  | { kind: 'failed'; error: PlainError };

/** The positions of events that follow one another among those of the projection. */
export interface Prepare {
  number: number;
  first: bigint;
  last: bigint;
}

export interface Prepared {
  number: number;
  values?: unknown[];
  error?: PlainError;
}
