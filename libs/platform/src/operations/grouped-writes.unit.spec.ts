import { describe, expect, it } from '@jest/globals';
import type { Compilable } from 'kysely';
import { unavailable } from '#kernel';
import type { ReadDatabase } from '#projections';
import { GroupedWrites } from './grouped-writes.js';

const query = (name: string) => name as unknown as Compilable;

/** Commits when it is told to. */
class SlowDatabase {
  readonly runs: { queries: readonly Compilable[]; outcome: PromiseWithResolvers<void> }[] = [];

  run(queries: readonly Compilable[]): Promise<void> {
    const outcome = Promise.withResolvers<void>();
    this.runs.push({ queries, outcome });
    return outcome.promise;
  }

  async nextRun() {
    await new Promise(setImmediate);
    const run = this.runs.shift();
    if (!run) throw new Error('nothing is being written');
    return run;
  }
}

const open = () => {
  const database = new SlowDatabase();
  return { database, writes: new GroupedWrites(database as unknown as ReadDatabase) };
};

describe('grouped writes', () => {
  it('given writes that arrive together and while one is under way, then they go in one run each, in order', async () => {
    const { database, writes } = open();
    const first = [writes.write(query('a')), writes.write(query('b'))];
    const run = await database.nextRun();
    expect(run.queries).toEqual(['a', 'b']);
    const later = [writes.write(query('c')), writes.write(query('d'))];
    await new Promise(setImmediate);
    expect(database.runs).toEqual([]);
    run.outcome.resolve();
    await Promise.all(first);
    const next = await database.nextRun();
    expect(next.queries).toEqual(['c', 'd']);
    next.outcome.resolve();
    await Promise.all(later);
    const last = writes.write(query('e'));
    (await database.nextRun()).outcome.resolve();
    await expect(last).resolves.toBeUndefined();
  });

  it('given a run that fails, then those of it alone are told', async () => {
    const { database, writes } = open();
    const failing = [writes.write(query('a')), writes.write(query('b'))];
    const run = await database.nextRun();
    const later = writes.write(query('c'));
    run.outcome.reject(unavailable('away'));
    expect(await Promise.allSettled(failing)).toMatchObject([{ status: 'rejected' }, { status: 'rejected' }]);
    (await database.nextRun()).outcome.resolve();
    await expect(later).resolves.toBeUndefined();
  });

  it('given a database that does not come to an end, then what goes beyond 10,000 writes is refused at once', async () => {
    const { database, writes } = open();
    const under = writes.write(query('under way'));
    const run = await database.nextRun();
    const waiting = Array.from({ length: 10_000 }, () => writes.write(query('waits')));
    await expect(writes.write(query('too much'))).rejects.toMatchObject({ code: 'unavailable' });
    run.outcome.resolve();
    await under;
    (await database.nextRun()).outcome.resolve();
    expect(await Promise.all(waiting)).toHaveLength(10_000);
  });
});
