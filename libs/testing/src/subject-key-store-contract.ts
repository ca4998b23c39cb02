import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { SubjectKeyStore } from '#privacy';

export interface SubjectKeyStoreHarness {
  /**
   * Opens the same store each time, with a clock that moves on whenever it is read. One that was opened before
   * may still be open, as after a crash.
   */
  open(): Promise<SubjectKeyStore>;
  /** Called after the stores are closed. */
  dispose(): Promise<void>;
}

const assignMany = (store: SubjectKeyStore, count: number): Promise<string[]> =>
  Promise.all(Array.from({ length: count }, () => store.assign()));

type Open = () => Promise<SubjectKeyStore>;

function describeAssigning(open: Open): void {
  it('given an empty store, when many keys are assigned at once, then all ids and keys differ', async () => {
    const store = await open();
    const ids = await assignMany(store, 1000);
    const keys = await Promise.all(ids.map((id) => store.find(id)));
    expect(new Set(ids).size).toBe(1000);
    expect(new Set(keys.map((key) => Buffer.from(key ?? []).toString('hex'))).size).toBe(1000);
    expect(keys.every((key) => key?.length === 32)).toBe(true);
  });

  it('given two stores open at once, when both assign in turn, then no id is given out twice', async () => {
    const stores = [await open(), await open()];
    const ids: string[] = [];
    for (let round = 0; round < 10; round++) {
      for (const store of stores) ids.push(...(await assignMany(store, 70)));
    }
    expect(new Set(ids).size).toBe(1400);
  });

  it('given assigned keys, when the store is closed and opened, then each is found and none is assigned again', async () => {
    const first = await open();
    const ids = await assignMany(first, 300);
    const keys = await Promise.all(ids.map((id) => first.find(id)));
    await first.close();

    const second = await open();
    expect(await Promise.all(ids.map((id) => second.find(id)))).toEqual(keys);
    expect(new Set([...ids, ...(await assignMany(second, 300))]).size).toBe(600);
  });

  it('given a store that was never closed, when it is opened again, then assigned keys are found and none is assigned again', async () => {
    const crashed = await open();
    const ids = await assignMany(crashed, 5);
    const keys = await Promise.all(ids.map((id) => crashed.find(id)));

    const store = await open();
    expect(await Promise.all(ids.map((id) => store.find(id)))).toEqual(keys);
    expect(new Set([...ids, ...(await assignMany(store, 300))]).size).toBe(305);
  });
}

function describeDestroying(open: Open): void {
  it('given a key, when it is destroyed, then it is found no more, its neighbours are, and so after opening again', async () => {
    const store = await open();
    const [before, doomed, after] = (await assignMany(store, 3)) as [string, string, string];
    expect(await store.find(doomed)).toHaveLength(32);
    const [destroyedAt] = await store.destroy([doomed]);
    expect(new Date(destroyedAt ?? '').toISOString()).toBe(destroyedAt);
    expect(await store.find(doomed)).toBeUndefined();

    const reopened = await open();
    expect(await reopened.find(doomed)).toBeUndefined();
    expect(await reopened.find(before)).toEqual(await store.find(before));
    expect(await reopened.find(after)).toEqual(await store.find(after));
  });

  it('given a destroyed key, when it is destroyed again with others, then it keeps its first time, in order', async () => {
    const store = await open();
    const [one, two, three] = (await assignMany(store, 3)) as [string, string, string];
    const [first] = await store.destroy([two]);
    const again = await (await open()).destroy([one, two, three]);
    expect(again).toHaveLength(3);
    expect(again[1]).toBe(first);
    expect(await store.destroy([three, two, one])).toEqual(again.toReversed());
  });

  it('given many keys, when they are destroyed at once one by one, then each answers and none is found', async () => {
    const store = await open();
    const ids = await assignMany(store, 200);
    const answers = await Promise.all(ids.map((id) => store.destroy([id])));
    expect(answers.every((times) => times.length === 1)).toBe(true);
    expect(await Promise.all(ids.map((id) => store.find(id)))).toEqual(ids.map(() => undefined));
  });

  it('given no keys to destroy, when destroy is called, then it answers an empty list', async () => {
    expect(await (await open()).destroy([])).toEqual([]);
  });
}

function describeUnknownIdsAndSecrets(open: Open): void {
  it.each(['', '0', '01', '-1', '1.5', '1e3', '9999999', 'NaN', 'key'])(
    'given the id %j that was never made, when it is found or destroyed, then it throws and others are untouched',
    async (never) => {
      const store = await open();
      const id = await store.assign();
      await expect(store.find(never)).rejects.toThrow();
      await expect(store.destroy([id, never])).rejects.toThrow();
      expect(await store.find(id)).toHaveLength(32);
    },
  );

  it('given a secret, when it is asked for again, concurrently or after opening again, then it is the same', async () => {
    const store = await open();
    const other = await open();
    const [secret, same] = await Promise.all([store.secret('uniqueness'), other.secret('uniqueness')]);
    expect(secret).toHaveLength(32);
    expect(same).toEqual(secret);
    await store.close();
    const reopened = await open();
    expect(await reopened.secret('uniqueness')).toEqual(secret);
    expect(await reopened.secret('blind-index')).not.toEqual(secret);
  });

  it('given a secret, when it is destroyed, then the next one of that name is another, and others stay', async () => {
    const store = await open();
    const [old, kept] = [await store.secret('uniqueness'), await store.secret('blind-index')];
    for (const name of ['uniqueness', 'uniqueness', 'never-made']) await store.destroySecret(name);
    const reopened = await open();
    expect(await reopened.secret('blind-index')).toEqual(kept);
    const fresh = await reopened.secret('uniqueness');
    expect(fresh).not.toEqual(old);
    expect(await store.secret('uniqueness')).toEqual(fresh);
  });

  it('given an open store, when it is asked, then it is ready', async () => {
    await expect((await open()).ready()).resolves.toBeUndefined();
  });
}

/** What every SubjectKeyStore must do; run it on each adapter. `createHarness` starts with an empty store. */
export function describeSubjectKeyStore(
  name: string,
  createHarness: () => Promise<SubjectKeyStoreHarness>,
): void {
  describe(`SubjectKeyStore contract: ${name}`, () => {
    let harness: SubjectKeyStoreHarness;
    let opened: SubjectKeyStore[];
    const open = async (): Promise<SubjectKeyStore> => {
      const store = await harness.open();
      opened.push(store);
      return store;
    };

    beforeEach(async () => {
      harness = await createHarness();
      opened = [];
    });
    afterEach(async () => {
      for (const store of opened) await store.close();
      await harness.dispose();
    });

    describeAssigning(open);
    describeDestroying(open);
    describeUnknownIdsAndSecrets(open);
  });
}
