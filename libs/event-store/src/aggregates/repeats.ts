import {
  type CommandContext,
  type DomainEvent,
  type Evolver,
  type RepeatableRequest,
  repeatableRequest,
} from '#kernel';
import type { EventStore } from '../event-store.js';
import { pages } from '../pages.js';
import { type Executed, type Known, lastRevisionOf, told } from './aggregate.js';
import type { Folding } from './folding.js';

/**
 * Finds what a repeatable request has done to a stream before, here or elsewhere. Within one run of a request, what was
 * found or appended is passed: a second change of the same stream is looked for after the first.
 */
export class Repeats {
  private readonly passed = new WeakMap<RepeatableRequest, Map<string, number>>();

  constructor(
    private readonly store: EventStore,
    private readonly folding: Folding,
  ) {}

  /** The metadata of an event that the request at hand appends, by which it is found when the request comes again. */
  caused(context: CommandContext): CommandContext {
    const request = repeatableRequest();
    return request ? { ...context, causationId: request.id } : context;
  }

  /** The request at hand has come so far in the stream. */
  pass(stream: string, revision: number): void {
    const request = repeatableRequest();
    if (!request) return;
    const passed = this.passed.get(request) ?? new Map<string, number>();
    this.passed.set(request, passed.set(stream, revision));
  }

  /**
   * The aggregate as of the last event that the request at hand appended before, with all of those; undefined where
   * there is none up to `known`. `earlier`, where it is given, may save some reading.
   */
  async find<State, Event extends DomainEvent>(
    evolver: Evolver<State, Event>,
    stream: string,
    known: Known<State>,
    earlier?: Known<State>,
  ): Promise<Executed<State, Event> | undefined> {
    const request = repeatableRequest();
    // Nobody but this process could have done it, and this is its first time.
    if (!request || (this.store.exclusive && !request.resumed)) return undefined;
    const revisions = await this.revisions(request, stream, known);
    const last = revisions.at(-1);
    if (last === undefined) return undefined;
    const then = last === known.revision ? known : await this.folding.asOf(evolver, stream, last, earlier);
    const events = await this.folding.events<Event>(stream, revisions);
    this.pass(stream, last);
    return { ...told(then), events };
  }

  private async revisions(
    request: RepeatableRequest,
    stream: string,
    { revision, causes }: Known<unknown>,
  ): Promise<number[]> {
    const after = this.passed.get(request)?.get(stream) ?? -1;
    const until = lastRevisionOf({ revision });
    const recent = causes.revisionsOf(request.id).filter((own) => own > after && own <= until);
    const { before } = causes;
    const isAll = !before || before.last <= after || before.position <= request.positionAtBegin;
    if (recent.length > 0 || isAll) return recent;
    return this.olderRevisions(request, stream, { from: before.last, to: after + 1 });
  }

  /** Reads backwards to what the log held when the request began. */
  private async olderRevisions(
    request: RepeatableRequest,
    stream: string,
    range: { from: number; to: number },
  ): Promise<number[]> {
    const found: number[] = [];
    for await (const page of pages(this.store, stream, { ...range, backwards: true })) {
      for (const { revision, position, metadata } of page) {
        const isOwn = metadata.causationId === request.id;
        if (isOwn) found.unshift(revision);
        else if (found.length > 0 || position <= request.positionAtBegin) return found;
      }
    }
    return found;
  }
}
