import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Clock, unavailable } from '#kernel';
import { PostgresPool, preparePostgres } from '#projections';
import { describeIdentifierRegistry, describeSubjectKeyStore, onPostgres, schemaUrl } from '#testing';
import { type KeyDatabase, PostgresKeyStore, type PostgresKeyStoreOptions } from './postgres-key-store.js';

let millisecond = Date.UTC(2030, 0, 1);
const tickingClock: Clock = { now: () => new Date(millisecond++) };

const describeContract = (server: string) => {
  const createHarness = async () => {
    const url = schemaUrl(server);
    await preparePostgres(url);
    const masterKey = randomBytes(32);
    return {
      open: () =>
        PostgresKeyStore.open(new PostgresPool(url, { max: 4 }), masterKey, { clock: tickingClock }),
      dispose: async () => undefined,
    };
  };
  describeSubjectKeyStore('PostgresKeyStore', createHarness);
  describeIdentifierRegistry('PostgresKeyStore', createHarness);
};

/** A server that can be out of reach. */
class Interruptible implements KeyDatabase {
  down = false;
  queries = 0;

  constructor(private readonly inner: KeyDatabase) {}

  query: KeyDatabase['query'] = (text, values) => {
    this.queries += 1;
    return this.down ? Promise.reject(unavailable('down')) : this.inner.query(text, values);
  };

  transaction: KeyDatabase['transaction'] = (work) =>
    this.down ? Promise.reject(unavailable('down')) : this.inner.transaction(work);

  close(): Promise<void> {
    return this.inner.close();
  }
}

const describeSharing = (server: string) =>
  describe('PostgresKeyStore', () => {
    const masterKey = randomBytes(32);
    let url: string;
    let inspector: PostgresPool;
    let database: Interruptible;
    let store: PostgresKeyStore;
    let opened: PostgresKeyStore[];

    const open = async (options: PostgresKeyStoreOptions = {}, key = masterKey) => {
      database = new Interruptible(new PostgresPool(url, { max: 4 }));
      const store = await PostgresKeyStore.open(database, key, { clock: tickingClock, ...options });
      opened.push(store);
      return store;
    };
    const assignMany = (count: number) => Promise.all(Array.from({ length: count }, () => store.assign()));
    const count = async (table: string) =>
      (await inspector.query<{ count: number }>(`select count(*) as count from ${table}`)).rows[0]?.count;

    beforeEach(async () => {
      opened = [];
      url = schemaUrl(server);
      await preparePostgres(url);
      inspector = new PostgresPool(url, { max: 1 });
      store = await open();
    });
    afterEach(async () => {
      for (const store of opened) await store.close();
      await inspector.close();
    });

    it('given a key that two processes have in memory, when one destroys it, then the other finds it no more', async () => {
      const other = await open();
      for (let round = 0; round < 20; round += 1) {
        const id = await store.assign();
        expect(await other.find(id)).toEqual(await store.find(id));
        await store.destroy([id]);
        expect(await other.find(id)).toBeUndefined();
      }
    });

    it('given processes that start at once, when they ask for a secret, then it is made once', async () => {
      const fresh = schemaUrl(server);
      const start = async () => {
        await preparePostgres(fresh);
        const pool = new PostgresPool(fresh, { max: 2 });
        const store = await PostgresKeyStore.open(pool, masterKey, { clock: tickingClock });
        opened.push(store);
        return Buffer.from(await store.secret('uniqueness')).toString('hex');
      };
      expect(new Set(await Promise.all(Array.from({ length: 8 }, start))).size).toBe(1);
    });

    it('when a key is destroyed, then no row holds its wrapped bytes', async () => {
      const [doomed, kept] = (await assignMany(2)) as [string, string];
      const select = `select id from subject_keys where id in (${doomed}, ${kept})`;
      expect((await inspector.query(select)).rows).toHaveLength(2);
      await store.destroy([doomed]);
      expect((await inspector.query(select)).rows).toEqual([{ id: Number(kept) }]);
    });

    it('when many keys are found or destroyed at once, then few queries are made', async () => {
      const ids = await assignMany(100);
      const before = database.queries;
      await Promise.all(ids.map((id) => store.find(id)));
      expect(database.queries - before).toBe(1);
      const times = await Promise.all(ids.map((id) => store.destroy([id])));
      expect(new Set(times.flat()).size).toBe(1);
    });

    it('while the server is out of reach, then keys in memory are found, the pool is assigned and others are unavailable', async () => {
      const known = await store.assign();
      const key = await store.find(known);
      const stranger = await (await open()).assign();
      const cut = new Interruptible(new PostgresPool(url, { max: 4 }));
      const third = await PostgresKeyStore.open(cut, masterKey, { clock: tickingClock });
      opened.push(third);
      expect(await third.find(known)).toEqual(key);
      const first = await third.assign();
      cut.down = true;
      expect(await third.find(known)).toEqual(key);
      expect(await third.find(first)).toHaveLength(32);
      const ids = await Promise.all(Array.from({ length: 200 }, () => third.assign()));
      expect(new Set(ids).size).toBe(200);
      await expect(third.find(stranger)).rejects.toMatchObject({ kind: 'unavailable' });
      await expect(third.destroy([known])).rejects.toMatchObject({ kind: 'unavailable' });
      await expect(third.ready()).rejects.toMatchObject({ kind: 'unavailable' });
      cut.down = false;
      expect(await third.find(stranger)).toHaveLength(32);
      await store.destroy([known]);
      expect(await third.destroy([known])).toHaveLength(1);
      expect(await third.find(known)).toBeUndefined();
    });

    it('given a store never assigned from, when it opens, then it makes no keys; then a small pool and larger ones', async () => {
      expect(await count('subject_keys')).toBe(0);
      store = await open({ poolSize: 10, maxPoolSize: 40 });
      await store.assign();
      await assignMany(15);
      await store.close();
      expect(await count('subject_keys')).toBe(10 + 40);
    });

    it('given wrapped keys swapped between two rows, when they are found, then it throws', async () => {
      const [one, two] = (await assignMany(2)) as [string, string];
      await inspector.query(`update subject_keys a set wrapped = b.wrapped from subject_keys b
      where a.id in (${one}, ${two}) and b.id in (${one}, ${two}) and a.id <> b.id`);
      await expect((await open()).find(one)).rejects.toThrow('integrity');
    });

    it('given a store made with one master key, when it is opened with another, then it says which setting is wrong', async () => {
      await expect(open({}, randomBytes(32))).rejects.toMatchObject({
        kind: 'illegal_state',
        message: expect.stringContaining('TENANTRY_MASTER_KEY'),
      });
    });
  });

await onPostgres(({ setting }) => {
  describeContract(setting);
  describeSharing(setting);
});
