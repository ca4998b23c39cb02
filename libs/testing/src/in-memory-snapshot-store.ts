import type { Snapshot, SnapshotStore } from '#event-store';

/** The snapshots' port in memory. */
export class InMemorySnapshotStore implements SnapshotStore {
  readonly snapshots = new Map<string, Snapshot>();

  async find(stream: string, version: number): Promise<Snapshot | undefined> {
    const found = this.snapshots.get(stream);
    return found?.version === version ? found : undefined;
  }

  async put(snapshot: Snapshot): Promise<void> {
    this.snapshots.set(snapshot.stream, snapshot);
  }
}
