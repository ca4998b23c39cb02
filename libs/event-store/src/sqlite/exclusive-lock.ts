import { DatabaseSync } from 'node:sqlite';
import { unavailable } from '#kernel';

const SQLITE_BUSY = 5;

/**
 * Holds a file for this process alone: an exclusive SQLite transaction on an empty file beside it, which the
 * operating system lets go of however the process ends.
 */
export class ExclusiveLock {
  private constructor(private readonly database: DatabaseSync) {}

  /** Throws `unavailable` when another process, or another opening in this one, holds it. */
  static acquire(file: string, what = 'the event log'): ExclusiveLock {
    const database = new DatabaseSync(file, { timeout: 0 });
    try {
      database.exec('BEGIN EXCLUSIVE');
      return new ExclusiveLock(database);
    } catch (error) {
      database.close();
      if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw error;
      throw unavailable(`${what} is already open for writing, in another process or in this one`, {
        cause: error,
      });
    }
  }

  release(): void {
    this.database.close();
  }
}
