import type {
  AppendOutcome,
  AppendRequest,
  ClaimedKeys,
  Positions,
  Snapshot,
  TakenOutcome,
} from '#worker/event-store';
import type { MessageRow } from '#worker/message-bus';
import type { IdentifierWrite } from '#worker/privacy';
import type { PlainQuery, ProjectionStatus, RebuildStatus } from '#worker/projections';
import type { OldFiles } from './old-files.js';

/** Which files of the data dir the thread owns; those that are left out belong to other engines. */
export interface StorageFiles {
  /** The event log. */
  log?: { file: string; positions: Positions } | undefined;
  keys?: string | undefined;
  bus?: string | undefined;
  /** The folder of the read models. */
  read?: string | undefined;
}

export interface StorageOptions extends StorageFiles {
  /** Held for this process alone while the files are open, under this name. */
  lock?: { file: string; what: string } | undefined;
  masterKey: Uint8Array;
  /** The keys of what the log holds are in `keys`: neither file is opened beside one that it does not go with. */
  paired?: boolean | undefined;
  /** Go on from a log that is older than the rest: what came after is lost. */
  acceptOlderLog?: boolean | undefined;
  /** What an earlier state may have left in the data dir. */
  old?: OldFiles | undefined;
}

/** The part of `queries` that stands beside the keys; all others are read models. */
export const KEYS_PART = 'keys';

/** What the thread is asked for, and what it answers. */
export interface Requests {
  append: {
    ask: { request: AppendRequest; claimed?: ClaimedKeys | undefined };
    answer: AppendOutcome | TakenOutcome;
  };
  /** A key in clear: it is wrapped there. */
  'insert-key': { ask: { id: number; key: Uint8Array }; answer: undefined };
  'destroy-keys': { ask: { ids: readonly number[]; at: string }; answer: string[] };
  /** Answers what the operation answers. */
  identifiers: { ask: { write: IdentifierWrite }; answer: unknown };
  'put-snapshot': { ask: { snapshot: Snapshot }; answer: undefined };
  'insert-secret': { ask: { name: string; wrapped: Uint8Array }; answer: undefined };
  'destroy-secret': { ask: { name: string }; answer: undefined };
  queries: { ask: { part: string; queries: readonly PlainQuery[] }; answer: undefined };
  publish: { ask: { topic: string; at: number; rows: readonly MessageRow[] }; answer: undefined };
  'save-offset': { ask: { group: string; topic: string; offset: number }; answer: undefined };
  /** Loads the projections and relays that these modules export, and follows the log with them. */
  follow: { ask: { modules: readonly string[] }; answer: undefined };
  statuses: { ask: object; answer: ProjectionStatus[] };
  rebuild: { ask: { name: string; verify: boolean }; answer: RebuildStatus };
  ready: { ask: object; answer: undefined };
  close: { ask: object; answer: undefined };
}

export type Kind = keyof Requests;
export type Request<Of extends Kind = Kind> = { [Each in Of]: { kind: Each } & Requests[Each]['ask'] }[Of];
export type AnswerTo<Of extends Kind> = Requests[Of]['answer'];

/** The number of what nobody waits for. */
export const UNANSWERED = 0;

/** Each with the number that its answer carries. */
export type Numbered = [number: number, request: Request];

/** An error as it goes from one thread to another; of a TenantryError with its kind, of others with their name. */
export interface PlainError {
  message: string;
  name?: string;
  kind?: string;
  details?: object;
}

/** How far a projection has come; readers see everything up to there. */
export interface Move {
  name: string;
  position: bigint;
  state: ProjectionStatus['state'];
  /** Readers see other rows than before. */
  changed: boolean;
  /** Another file stands under its name. */
  replaced: boolean;
}

/** What the thread says: once it has opened its files, and then of each round of its work. */
export type Report =
  | { kind: 'opened'; head: number }
  | { kind: 'refused'; error: PlainError }
  | {
      kind: 'round';
      answers: [number: number, answer: unknown][];
      refusals: [number: number, error: PlainError][];
      moves: Move[];
      rebuilds: RebuildStatus[];
      /** The last offset of each topic that grew. */
      heads: [topic: string, head: number][];
    }
  | { kind: 'log'; level: 'info' | 'warn' | 'error'; fields: object; message: string };
