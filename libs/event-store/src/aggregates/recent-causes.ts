import type { RecordedEvent } from '#kernel';

const MAX_CAUSES = 256;
/** What one takes in memory, its id among it. */
const CAUSE_BYTES = 128;

type CausedEvent = Pick<RecordedEvent, 'revision'> & { metadata: { causationId: string } };

/** Events in a row with one cause. */
interface Cause {
  id: string;
  first: number;
  last: number;
  /** Of the last, or a later one. */
  position: bigint;
}

/**
 * Which causes the last events of a stream have, so that a repeated request is known without reading the stream. It
 * reaches without a gap from the stream's last known event back to some revision.
 */
export class RecentCauses {
  private readonly causes: Cause[] = [];
  private next: number;

  /** `before` is the last event that is not told of; none where the stream is from its beginning. */
  constructor(private passed?: Omit<Cause, 'id' | 'first'>) {
    this.next = passed ? passed.last + 1 : 0;
  }

  /** The last event that is not told of any more, with a position that is not before its own; undefined for none. */
  get before(): Omit<Cause, 'id' | 'first'> | undefined {
    return this.passed;
  }

  get bytes(): number {
    return this.causes.length * CAUSE_BYTES;
  }

  /** Takes the events of the stream in order; one that it has already changes nothing. */
  add({ revision, metadata: { causationId: id } }: CausedEvent, position: bigint): void {
    if (revision < this.next) return;
    if (revision > this.next) throw new Error('events of a stream were passed over');
    this.next = revision + 1;
    const newest = this.causes.at(-1);
    if (newest?.id === id) Object.assign(newest, { last: revision, position });
    else this.causes.push({ id, first: revision, last: revision, position });
    if (this.causes.length > MAX_CAUSES) this.passed = this.causes.shift();
  }

  /** The revisions of the events that have this cause, ascending. */
  revisionsOf(id: string): number[] {
    return this.causes
      .filter((cause) => cause.id === id)
      .flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, index) => first + index));
  }
}
