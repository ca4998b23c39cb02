import type { PlainError } from './protocol.js';

export interface ReaderOptions {
  /** Of the read models. */
  folder: string;
  /** The file of the key store. */
  keys: string;
  /** The event log. */
  log: string;
  masterKey: Uint8Array;
  /** Addresses of the modules whose queries it answers. */
  modules: readonly string[];
}

export type Question =
  | { kind: 'ask'; number: number; name: string; asked: readonly unknown[] }
  | { kind: 'replaced'; projection: string }
  | { kind: 'close' };

export type ReaderReport =
  | { kind: 'answer'; number: number; given: unknown }
  | { kind: 'refusal'; number: number; error: PlainError }
  /** What nobody waited for. */
  | { kind: 'failed'; error: PlainError };
