import type { Compilable, CompiledQuery, Kysely } from 'kysely';
import { unavailable } from '#kernel';
import type { ReadDatabase } from '#projections';

/**
 * What befalls a write: `before_commit`, the work is done and then rolled back; `after_commit`, it is stored but the
 * caller is told that the outcome is unknown; `dead`, this write and all later ones are refused.
 */
export type Interruption = 'none' | 'before_commit' | 'after_commit' | 'dead';

/** A read database that fails as a crash or a lost connection would, for the writer that holds it. */
export class InterruptibleReadDatabase implements ReadDatabase {
  readonly dialect: ReadDatabase['dialect'];
  writes = 0;
  #dead = false;

  constructor(
    private readonly inner: ReadDatabase,
    private readonly next: () => Interruption = () => 'none',
  ) {
    this.dialect = inner.dialect;
  }

  /** The process that used it is gone: nothing it does has any effect. */
  kill(): void {
    this.#dead = true;
  }

  reader<Schema>(): Kysely<Schema> {
    return this.inner.reader();
  }

  async write<Schema, Result>(work: (transaction: Kysely<Schema>) => Promise<Result>): Promise<Result> {
    this.writes += 1;
    const interruption = this.next();
    if (interruption === 'dead') this.kill();
    const result = await this.inner.write<Schema, Result>(async (transaction) => {
      if (this.#dead) throw unavailable('killed');
      const done = await work(transaction);
      if (this.#dead || interruption === 'before_commit') throw unavailable('killed before the commit');
      return done;
    });
    if (interruption === 'after_commit') throw unavailable('killed after the commit');
    return result;
  }

  run(queries: readonly Compilable[]): Promise<void> {
    return this.write(async (transaction) => {
      for (const query of queries) await transaction.executeQuery(query.compile());
    });
  }

  of(): this {
    return this;
  }

  get file(): ReadDatabase['file'] {
    return this.inner.file;
  }

  select<Row>(query: CompiledQuery): Promise<Row[]> {
    return this.inner.select(query);
  }

  ready(): Promise<void> {
    return this.inner.ready();
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}
