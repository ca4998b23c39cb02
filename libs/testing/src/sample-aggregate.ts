import type { EventCodec, SnapshotCodec, SnapshotParts } from '#event-store';
import {
  type CommandContext,
  type Decider,
  type DomainEvent,
  illegalState,
  type JsonObject,
  type NewEvent,
  snapshotFormat,
} from '#kernel';
import { InMemoryEventStore } from './in-memory-event-store.js';
import { InMemorySnapshotStore } from './in-memory-snapshot-store.js';

export interface Tally {
  total: number;
  /** Of each name. */
  counts: ReadonlyMap<string, number>;
}

export type Counted = DomainEvent<'tally.counted.v1', { name: string; by: number }>;

export interface Count {
  name: string;
  /** 0 changes nothing. */
  by: number;
  /** So many events of that. */
  times?: number;
  limit?: number;
}

/** A small aggregate with a state that JSON alone does not carry. */
export const tally: Decider<Tally, Count, Counted> = {
  category: 'tally',
  initialState: { total: 0, counts: new Map() },
  snapshot: snapshotFormat({ version: 1, maps: ['counts'] }),

  decide({ name, by, times = 1, limit = Number.POSITIVE_INFINITY }, { total }) {
    if (total + by * times > limit) throw illegalState('the limit is reached');
    if (by === 0) return [];
    return Array.from({ length: times }, () => ({ type: 'tally.counted.v1', data: { name, by } }));
  },

  evolve({ total, counts }, { data: { name, by } }) {
    const count = (counts.get(name) ?? 0) + by;
    return { total: total + by, counts: new Map(counts).set(name, count) };
  },
};

export const plainCodec: EventCodec = {
  encode: async (event) => event as NewEvent,
  decode: async (event) => event,
};

export const testContext: CommandContext = {
  platformId: null,
  tenantId: null,
  actor: { type: 'system', id: 'test' },
  correlationId: 'correlation',
  causationId: 'cause',
};

/** Counts the events that were read of it. */
export class CountingEventStore extends InMemoryEventStore {
  eventsRead = 0;

  override async read(...request: Parameters<InMemoryEventStore['read']>) {
    const page = await super.read(...request);
    this.eventsRead += page.length;
    return page;
  }
}

/** Seals nothing, but tells what was altered. */
const openCodec: SnapshotCodec = {
  seal: async (subjectKey, context, content) => ({
    keyId: subjectKey ?? 'service',
    sealed: JSON.stringify({ context, content }),
  }),
  open: async ({ sealed }, context) => {
    const opened = JSON.parse(sealed) as { context: string; content: JsonObject };
    if (opened.context !== context) throw new Error('sealed for another context');
    return opened.content;
  },
};

/** Snapshots in memory, and what went wrong with them. */
export class SampleSnapshots implements SnapshotParts {
  readonly store = new InMemorySnapshotStore();
  readonly failures: unknown[] = [];
  codec = openCodec;

  onFailure(error: unknown): void {
    this.failures.push(error);
  }
}
