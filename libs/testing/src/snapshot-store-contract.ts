import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Snapshot, SnapshotStore } from '#event-store';

export interface SnapshotStoreHarness {
  store: SnapshotStore;
  dispose(): Promise<void>;
}

/** What every SnapshotStore must do. `createHarness` starts with an empty store. */
export function describeSnapshotStore(
  name: string,
  createHarness: () => Promise<SnapshotStoreHarness>,
): void {
  describe(`the store of snapshots: ${name}`, () => {
    let harness: SnapshotStoreHarness;
    beforeEach(async () => {
      harness = await createHarness();
    });
    afterEach(() => harness.dispose());

    const snapshot: Snapshot = {
      stream: 'budget-1',
      version: 1,
      revision: 2 ** 40,
      keyId: '17',
      sealed: 'v1.17.é'.repeat(10_000),
    };

    it('given one, then it is found by its stream and version, and by no other', async () => {
      await harness.store.put(snapshot);
      expect(await harness.store.find('budget-1', 1)).toEqual(snapshot);
      expect(await harness.store.find('budget-1', 2)).toBeUndefined();
      expect(await harness.store.find('budget-2', 1)).toBeUndefined();
    });

    it('given another of the same stream, then it takes the place of the first, whatever that is', async () => {
      await harness.store.put(snapshot);
      const others = [
        { ...snapshot, revision: 3, sealed: 'older' },
        { ...snapshot, version: 2, keyId: '18' },
      ];
      for (const other of others) {
        await harness.store.put(other);
        expect(await harness.store.find('budget-1', other.version)).toEqual(other);
      }
      expect(await harness.store.find('budget-1', 1)).toBeUndefined();
    });

    it('given many at once, then each is found', async () => {
      const many = Array.from({ length: 50 }, (_, number) => ({ ...snapshot, stream: `keyring-${number}` }));
      await Promise.all(many.map((one) => harness.store.put(one)));
      expect(await Promise.all(many.map(({ stream }) => harness.store.find(stream, 1)))).toEqual(many);
    });
  });
}
