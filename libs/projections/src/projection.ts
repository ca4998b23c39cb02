import type { Kysely } from 'kysely';
import type { JsonObject, RecordedEvent } from '#kernel';
import type { Queries, QueryDeps } from './queries.js';
import type { ReadDatabase } from './read-database.js';
import type { RelayedLog } from './relayed-log.js';

/** Creates one index whose name stays unique while a rebuild stands beside the live tables. */
export type CreateIndex = (
  table: string,
  columns: readonly string[],
  options?: { unique?: boolean; using?: 'btree' | 'gin' },
) => Promise<void>;

/**
 * A read model: the fold of some categories of the log into tables that it alone writes.
 * `apply` must be deterministic (the same events give the same rows, byte for byte) and must use only the
 * `transaction` that it is given, which may point at the tables of a rebuild. So both methods name tables through
 * the query builder or `sql.table`, never in raw SQL text, and never give an alias the name of a table.
 * Tables have a primary key and no foreign keys; in SQLite they keep their rowid.
 */
export interface Projection<Schema> {
  /** Unique, kebab-case: `user-directory`. */
  readonly name: string;
  /** Raised when the tables or the fold change: the projection is then built anew at the next start. */
  readonly version: number;
  readonly categories: readonly string[];
  readonly tables: readonly (keyof Schema & string)[];
  /** Tables that only help to find rows of the others: made, renamed and dropped with them, never compared. */
  readonly indexTables?: readonly string[];
  /** Its rows hold what is to leave the disk with a person's key. */
  readonly erases?: boolean;
  createTables(schema: Kysely<Schema>, createIndex: CreateIndex): Promise<void>;
  /**
   * What takes time and no table: one structured-cloneable value for each event, in their order. It is called before
   * the transaction, in a rebuild while the events before are written.
   */
  prepare?(events: readonly RecordedEvent[]): Promise<unknown[]>;
  /** A rejection stops this projection at the event, visibly; it is never skipped. */
  apply(transaction: Kysely<Schema>, event: RecordedEvent, prepared?: unknown): Promise<void>;
  /** In place of `apply` where there are several: the same rows, with less work. */
  applyAll?(
    transaction: Kysely<Schema>,
    events: readonly RecordedEvent[],
    prepared: readonly unknown[],
  ): Promise<void>;
  /** A bounded piece of upkeep, in a transaction of its own, that no answer waits for; it changes no row. */
  maintain?(transaction: Kysely<Schema>): Promise<void>;
}

/** What projections are made with; it is there in every thread that runs them. */
export interface ProjectionDeps {
  dialect: ReadDatabase['dialect'];
  /** Opens what an event of the stream sealed; null once its key is destroyed, or damaged as the text may be. */
  open(sealed: string, stream: string): Promise<JsonObject | null>;
  /** A secret of the key store. */
  secret(name: string): Promise<Uint8Array>;
}

/** What an app's `projections.ts` exports, for whichever thread runs it. */
export interface ProjectionModule {
  /** Its own address, by which another thread loads it. */
  url: string;
  projections(deps: ProjectionDeps): Promise<AnyProjection[]>;
  /** What is published of the app's part of the log. */
  relayed?: RelayedLog | undefined;
  queries?: ((deps: QueryDeps) => Promise<Queries>) | undefined;
}

/** A projection whose schema is no longer of interest; every `Projection<...>` is one. */
export type AnySchema = Record<string, Record<string, unknown>>;
export type AnyProjection = Projection<AnySchema>;

/** The projections of a service, in whichever thread they run. */
export interface Projections {
  stop(): Promise<void>;
  /**
   * True as soon as the projection has passed the position, so that readers of the database see it. False after
   * the time-out, and at once when the projection has failed or stopped. Throws `not_found`.
   */
  waitFor(name: string, position: bigint, timeoutMs: number): Promise<boolean>;
  /** The same for all of them; `served` leaves out those of which every read is refused. */
  waitForAll(position: bigint, timeoutMs: number, options?: { served?: boolean }): Promise<boolean>;
  /**
   * The same for a write that is answered then: where it is false, reads are refused until it would be true. It is at
   * once where they are refused already.
   */
  settle(name: string, position: bigint, timeoutMs: number): Promise<boolean>;
  /** Whether each follows the log, and has come to all that this process has answered. Throws `not_found`. */
  areCurrent(names: readonly string[]): boolean;
  /**
   * Throws `unavailable` with code `projection_behind` where its tables can't be read: it has failed, is being built, or
   * has not come to what was answered.
   */
  requireReadable(name: string): void;
  /** Rejects when the log can't tell its head. */
  statuses(): Promise<ProjectionStatus[]>;
  /**
   * Starts to build the projection anew beside the live one. With `verify`, rows that stood differently are
   * counted; the projection stands still meanwhile, reads go on. Throws `not_found`, and `illegal_state` while a
   * rebuild of it is under way, it doesn't run, or another process runs it.
   */
  rebuild(name: string, options?: { verify?: boolean }): RebuildStatus | Promise<RebuildStatus>;
  /** The last rebuild since the process started. Throws `not_found` when there is no such projection. */
  rebuildStatus(name: string): RebuildStatus | undefined;
}

export const allTables = ({ tables, indexTables = [] }: AnyProjection): string[] => [
  ...tables,
  ...indexTables,
];

export async function applyEvents(
  projection: AnyProjection,
  transaction: Kysely<AnySchema>,
  events: readonly RecordedEvent[],
  prepared: readonly unknown[] = [],
): Promise<void> {
  if (projection.applyAll) return projection.applyAll(transaction, events, prepared);
  for (const [at, event] of events.entries()) await projection.apply(transaction, event, prepared[at]);
}

export interface ProjectionStatus {
  name: string;
  position: bigint;
  /** Events between the projection and the head of the log, counted in positions. */
  lag: bigint;
  /**
   * `starting` until it has passed the position that was the log's head when it started; then `running`, or
   * `standby` where another process runs it.
   */
  state: 'starting' | 'running' | 'standby' | 'failed' | 'stopped';
  /** Where and why it stopped, when it failed. Never personal data. */
  failure?: ProjectionFailure;
}

export interface ProjectionFailure {
  position: bigint;
  eventType: string;
  /** The error's code or class name. */
  error: string;
}

export interface RebuildStatus {
  name: string;
  state: 'running' | 'completed' | 'failed';
  /** Events applied so far. */
  eventsDone: number;
  /** Estimated from the share of the log that has been passed; exact at the end. */
  eventsTotal: number;
  eventsPerSecond: number;
  /** Rows that stood differently in the live tables; only when the rebuild was asked to verify. */
  differences?: number;
  /** The error's code or class name. */
  error?: string;
}

export interface FollowerStatus {
  name: string;
  /** Everything up to here has been handled. */
  position: bigint;
  lag: bigint;
  /** `standby` where another process runs it. */
  state: 'running' | 'standby' | 'retrying' | 'stopped';
  /** How often the batch at hand has failed, and the last error's code or class name. */
  retry?: { attempts: number; error: string };
}
