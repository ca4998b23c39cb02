import type { ReadReq } from '@eventstore/db-client/generated/streams_pb.js';

/** An event as the server would keep it. */
export interface StoredEvent {
  stream: string;
  revision: number;
  position: bigint;
  id: string;
  type: string;
  contentType: string;
  data: Uint8Array;
  metadata: Uint8Array;
}

export type ProposedEvent = Pick<StoredEvent, 'id' | 'type' | 'contentType' | 'data' | 'metadata'>;

export type AppendOutcome =
  | { kind: 'stored'; revision: number; position: bigint }
  | { kind: 'conflict'; actual: number };

const FIRST_POSITION = 1_000n;
/** What a record takes besides its data. */
const RECORD_BYTES = 120n;

/** The server's log in memory: positions grow by the size of the records, and streams count from 0. */
export class StoredLog {
  readonly events: StoredEvent[] = [];
  private readonly streams = new Map<string, StoredEvent[]>();
  private readonly waiting = new Set<() => void>();
  private next = FIRST_POSITION;

  /** `expected` is -1 for no stream. As the server does, it knows a repeated append by the ids of its events. */
  append(stream: string, expected: number, proposed: readonly ProposedEvent[]): AppendOutcome {
    const events = this.stream(stream);
    const actual = events.length - 1;
    if (expected < actual && proposed.length > 0) {
      const again = events.slice(expected + 1, expected + 1 + proposed.length);
      const last = again.at(-1);
      const isSame = proposed.every(({ id }, index) => again[index]?.id === id);
      if (last && isSame) return { kind: 'stored', revision: last.revision, position: last.position };
    }
    if (expected !== actual) return { kind: 'conflict', actual };
    const stored = proposed.map((event, index) => this.record(stream, actual + 1 + index, event));
    this.streams.set(stream, [...events, ...stored]);
    for (const wake of this.waiting) wake();
    return { kind: 'stored', revision: actual + stored.length, position: stored.at(-1)?.position ?? 0n };
  }

  stream(name: string): readonly StoredEvent[] {
    return this.streams.get(name) ?? [];
  }

  /** Where the next record will stand. */
  get end(): bigint {
    return this.next;
  }

  /** Resolves when something is appended, or the signal is given. */
  async grown(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.waiting.add(resolve);
    signal.addEventListener('abort', () => resolve());
    if (signal.aborted) resolve();
    await promise;
    this.waiting.delete(resolve);
  }

  private record(stream: string, revision: number, event: ProposedEvent): StoredEvent {
    const stored = { ...event, stream, revision, position: this.next };
    this.next += RECORD_BYTES + BigInt(event.data.length + event.metadata.length);
    this.events.push(stored);
    return stored;
  }
}

/** Whether an event passes the filter of a request; all do where there is none. */
export function passesFilter(options: ReadReq.Options): (event: StoredEvent) => boolean {
  const filter = options.getFilter();
  const [streams, types] = [filter?.getStreamIdentifier(), filter?.getEventType()];
  if (streams) {
    const prefixes = streams.getPrefixList();
    return ({ stream }) => prefixes.some((prefix) => stream.startsWith(prefix));
  }
  const pattern = types && new RegExp(types.getRegex());
  return ({ type }) => pattern?.test(type) ?? true;
}
