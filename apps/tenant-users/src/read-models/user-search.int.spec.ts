import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { systemClock, unavailable } from '#kernel';
import { ProjectionRunner, SqliteReadDatabase } from '#projections';
import { InMemoryEventStore, RecordingLogger } from '#testing';
import { UserLog } from '../../../../test/user-events.js';
import type { Open } from './personal-text.js';
import { UserDirectoryProjection } from './user-directory.projection.js';
import { UserRows } from './user-rows.js';
import { UserSearch } from './user-search.js';

const SECRET = new Uint8Array(32).fill(5);
const LIMITS = { maxBytes: 2 ** 30, maxWaitedFor: 10, minAhead: 10, rowsAtOnce: 2 };
const LONGER_THAN_LEISURE_MS = 30;

describe('the search for users', () => {
  let database: SqliteReadDatabase;
  let store: InMemoryEventStore;
  let runner: ProjectionRunner;
  let log: UserLog;
  let search: UserSearch;
  /** Called before each text that a search opens. */
  let beforeOpen: (stream: string) => Promise<void> | void;

  const open: Open = async (sealed, stream) => {
    await beforeOpen(stream);
    return log.open(sealed, stream);
  };
  const newSearch = (limits = LIMITS) => {
    search.forget();
    search = new UserSearch(new UserRows(database), open, limits);
  };

  beforeEach(async () => {
    database = SqliteReadDatabase.inMemory();
    store = new InMemoryEventStore();
    log = new UserLog(store);
    beforeOpen = () => undefined;
    const projection = new UserDirectoryProjection({ dialect: 'sqlite', open: log.open, secret: SECRET });
    const logger = new RecordingLogger();
    runner = new ProjectionRunner({ store, database, clock: systemClock, logger, projections: [projection] });
    await runner.start();
    search = new UserSearch(new UserRows(database), open, LIMITS);
  });
  afterEach(async () => {
    search.forget();
    await runner.stop();
    await store.close();
    await database.close();
  });

  const caughtUp = async () => expect(await runner.waitForAll(await store.head(), 5_000)).toBe(true);
  const fill = async (tenantId: string, count: number) => {
    for (let number = 0; number < count; number += 1) await log.create(tenantId, { label: `Ann ${number}` });
    await caughtUp();
  };
  const count = (tenantId: string, word = 'ann') =>
    search.ask(tenantId, (index) => index.count({ words: [word], tags: [] }));
  const countOnceReady = async (tenantId: string) => {
    for (;;) {
      const found = await count(tenantId).catch((error) => {
        if (error.code !== 'projection_behind') throw error;
      });
      if (found !== undefined) return found;
      await new Promise(setImmediate);
    }
  };

  it('given a large tenant, when first asked, then it tells how far it is, and answers once it is there', async () => {
    await fill('large', 25);
    await fill('small', 9);
    const gate = Promise.withResolvers<void>();
    let opened = 0;
    beforeOpen = () => {
      opened += 1;
      return opened > 12 ? gate.promise : undefined;
    };
    await expect(count('large')).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'projection_behind',
      message: 'search is being prepared: 0 of 25 users',
      details: { retryAfterSeconds: 1 },
    });
    while (opened < 13) await new Promise(setImmediate);
    await expect(count('large')).rejects.toThrow('search is being prepared: 12 of 25 users');
    gate.resolve();
    expect(await count('small')).toBe(9);
    expect(await countOnceReady('large')).toBe(25);
  });

  it('given changes while it is being made, then the first answer holds them', async () => {
    await fill('tenant', 9);
    const ids = [...log.users.keys()];
    let opened = 0;
    beforeOpen = async () => {
      opened += 1;
      if (opened !== 5) return;
      await log.update(ids[0]!, { label: 'Bea' });
      await log.delete(ids[1]!);
      await log.update(ids[8]!, { label: 'Bea' });
      await log.delete(ids[7]!);
      await log.create('tenant', { label: 'Bea' });
      await caughtUp();
    };
    expect(await count('tenant')).toBe(5);
    expect(await count('tenant', 'bea')).toBe(3);
  });

  it('given more changes than are kept, then it is made anew', async () => {
    await fill('tenant', 5);
    expect(await count('tenant')).toBe(5);
    await fill('tenant', 4);
    await log.delete([...log.users.keys()][0]!);
    await caughtUp();
    await database.write((transaction) =>
      sql`delete from user_changes where ordinal < 8`.execute(transaction),
    );
    expect(await count('tenant')).toBe(8);
  });

  it('when all is forgotten while it is being made, then it is made anew for the question', async () => {
    await fill('tenant', 7);
    let opened = 0;
    beforeOpen = () => {
      opened += 1;
      if (opened === 4) search.forget();
    };
    expect(await count('tenant')).toBe(7);
    expect(opened).toBe(4 + 7);
  });

  it('given room for one tenant, then others are made anew when they are asked', async () => {
    for (const tenantId of ['one', 'other']) await fill(tenantId, 3);
    newSearch({ ...LIMITS, maxBytes: 1 });
    let opened = 0;
    beforeOpen = () => {
      opened += 1;
    };
    for (const tenantId of ['one', 'one', 'other', 'other', 'one']) expect(await count(tenantId)).toBe(3);
    expect(opened).toBe(9);
  });

  it('while keys are out of reach, then it says so, and answers afterwards', async () => {
    await fill('tenant', 5);
    beforeOpen = () => {
      throw unavailable('the key store is away');
    };
    await expect(count('tenant')).rejects.toThrow('the key store is away');
    beforeOpen = () => undefined;
    expect(await count('tenant')).toBe(5);
    await log.create('tenant', { label: 'Ann' });
    await caughtUp();
    beforeOpen = () => {
      throw unavailable('the key store is away');
    };
    await expect(count('tenant')).rejects.toThrow('the key store is away');
    beforeOpen = () => undefined;
    expect(await count('tenant')).toBe(6);
  });

  it('given a large tenant of which few users are left to take in, when asked, then it waits for them', async () => {
    await fill('large', 25);
    const gate = Promise.withResolvers<void>();
    let opened = 0;
    beforeOpen = () => {
      opened += 1;
      return opened > 16 ? gate.promise : undefined;
    };
    await expect(count('large')).rejects.toThrow('0 of 25 users');
    while (opened < 17) await new Promise(setImmediate);
    const waiting = count('large');
    gate.resolve();
    expect(await waiting).toBe(25);
  });

  it('while a tenant is waited for, then one that is made ready ahead stands still', async () => {
    await fill('ahead', 30);
    await fill('asked', 20);
    const places = [...log.users.keys()];
    const opened: number[] = [];
    beforeOpen = async (stream) => {
      opened.push(places.findIndex((id) => stream.endsWith(id)));
      await delay(LONGER_THAN_LEISURE_MS);
    };
    await search.prepareNext();
    await expect(count('asked')).rejects.toThrow('0 of 20 users');
    expect(await countOnceReady('asked')).toBe(20);
    expect(opened.filter((place) => place < 30)).toHaveLength(2);
  });

  it('given a user whose key is destroyed, then others are found', async () => {
    await fill('tenant', 3);
    log.destroyKey([...log.users.keys()][1]!);
    expect(await count('tenant')).toBe(2);
  });

  it('when nobody asks, then the largest tenants are made ready ahead, and small ones are not', async () => {
    await fill('small', 3);
    await fill('large', 12);
    await fill('largest', 14);
    let opened = 0;
    beforeOpen = () => {
      opened += 1;
    };
    await search.prepareNext();
    expect(await countOnceReady('largest')).toBe(14);
    expect(opened).toBe(14);
    await search.prepareNext();
    expect(await countOnceReady('large')).toBe(12);
    await search.prepareNext();
    expect(opened).toBe(26);
  });

  it('given changes that it followed, then a question has nothing left to take in', async () => {
    await fill('tenant', 5);
    await fill('other', 3);
    for (const tenantId of ['tenant', 'other']) await count(tenantId);
    let opened = 0;
    beforeOpen = () => {
      opened += 1;
    };
    const [first] = [...log.users.keys()];
    await log.create('tenant', { label: 'Ann' });
    await log.delete(first!);
    await caughtUp();
    await search.follow(await new UserRows(database).changesAfter(8, 10));
    expect(opened).toBe(1);
    expect([await count('tenant'), await count('other')]).toEqual([5, 3]);
    expect(opened).toBe(1);
  });
});
