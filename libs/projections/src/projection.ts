import type { Kysely } from 'kysely';
import type { RecordedEvent } from '#kernel';

/** Creates one index whose name stays unique while a rebuild stands beside the live tables. */
export type CreateIndex = (
  table: string,
  columns: readonly string[],
  options?: { unique?: boolean },
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
  createTables(schema: Kysely<Schema>, createIndex: CreateIndex): Promise<void>;
  /** A rejection stops this projection at the event, visibly; it is never skipped. */
  apply(transaction: Kysely<Schema>, event: RecordedEvent): Promise<void>;
  /** Called when readers see other rows than before, and before anyone waiting for them: the time to drop caches. */
  changed?(): void;
  /** Called before `changed` where a rebuild's tables took the place of those that readers saw, and at the start. */
  replaced?(): void;
}

/** A projection whose schema is no longer of interest; every `Projection<...>` is one. */
export type AnySchema = Record<string, Record<string, unknown>>;
export type AnyProjection = Projection<AnySchema>;

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
