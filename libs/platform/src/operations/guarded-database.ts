import type { ReadDatabase } from '#projections';

/** The same database, but `check` may throw before each read; writes are not checked. */
export const guarded = (database: ReadDatabase, check: () => void): ReadDatabase => ({
  dialect: database.dialect,
  reader() {
    check();
    return database.reader();
  },
  select(query) {
    check();
    return database.select(query);
  },
  write: (work) => database.write(work),
  run: (queries) => database.run(queries),
  of: (name) => guarded(database.of(name), check),
  ready: () => database.ready(),
  close: () => database.close(),
});
