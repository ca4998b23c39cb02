import type { DatabaseSync, StatementSync } from 'node:sqlite';

/**
 * The streams that the claims of the latest round were made for, where they were to begin with them. After a kill
 * between keys and log they may be streams that never began, of which nothing else is left.
 */
export class BegunStreams {
  readonly #add: StatementSync;
  readonly #clear: StatementSync;
  #isEmpty = false;

  constructor(private readonly database: DatabaseSync) {
    database.exec('CREATE TABLE IF NOT EXISTS begun_streams (stream TEXT NOT NULL) STRICT');
    this.#add = database.prepare('INSERT INTO begun_streams VALUES (?)');
    this.#clear = database.prepare('DELETE FROM begun_streams');
  }

  all(): string[] {
    return this.database
      .prepare('SELECT stream FROM begun_streams')
      .all()
      .map(({ stream }) => String(stream));
  }

  /** In the transaction of the caller; those of the round before are forgotten. */
  replace(streams: readonly string[]): void {
    if (!this.#isEmpty) this.#clear.run();
    for (const stream of streams) this.#add.run(stream);
    this.#isEmpty = streams.length === 0;
  }
}
