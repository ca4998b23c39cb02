import { setImmediate as endOfTurn } from 'node:timers/promises';
import type { DomainEvent, Evolver, JsonObject } from '#kernel';
import { type Known, lastRevisionOf } from './aggregate.js';

/** An aggregate's state as of one of its events. */
export interface Snapshot {
  stream: string;
  /** Of the state's form. */
  version: number;
  revision: number;
  /** Names the key that it is sealed under. */
  keyId: string;
  sealed: string;
}

/** Where snapshots are kept, one a stream. They are a cache: losing them costs time alone. */
export interface SnapshotStore {
  /** Undefined where there is none, or one of another version. */
  find(stream: string, version: number): Promise<Snapshot | undefined>;
  /** Takes the place of the one that is there, whatever it is. */
  put(snapshot: Snapshot): Promise<void>;
}

/** Seals snapshots as sensitively as the events that they are made of. */
export interface SnapshotCodec {
  /** Under the subject's key; where there is no subject, under one of the service. `context` says what it is of. */
  seal(
    subjectKey: string | null,
    context: string,
    content: JsonObject,
  ): Promise<Pick<Snapshot, 'keyId' | 'sealed'>>;
  /** Null once the key is destroyed. Throws where it was altered or belongs to another context. */
  open(snapshot: Pick<Snapshot, 'keyId' | 'sealed'>, context: string): Promise<JsonObject | null>;
}

export interface SnapshotParts {
  store: SnapshotStore;
  codec: SnapshotCodec;
  /** Told of what went wrong, which is never more than a snapshot that is not there. */
  onFailure(error: unknown, stream: string): void;
}

/** A state to fold on from, if its event is the one that the log holds there. */
export interface Saved<State> {
  state: State;
  revision: number;
  eventId: string;
  createdAt: string;
}

const MAX_UNDER_WAY = 16;

/** What is sealed. */
interface Content {
  event_id: string;
  /** The first snapshots lacked it, and are not used. */
  created_at?: string;
  state: JsonObject;
}

const contextOf = (stream: string, version: number): string => `snapshot ${version} of ${stream}`;

/** Makes and opens snapshots. Nothing that befalls them is an error of those who need the state. */
export class Snapshots {
  private readonly underWay = new Set<Promise<void>>();

  constructor(private readonly parts: SnapshotParts) {}

  async find<State, Event extends DomainEvent>(
    { snapshot: format }: Evolver<State, Event>,
    stream: string,
  ): Promise<Saved<State> | undefined> {
    if (!format) return undefined;
    try {
      const found = await this.parts.store.find(stream, format.version);
      const content = found && (await this.parts.codec.open(found, contextOf(stream, format.version)));
      if (!content) return undefined;
      const { event_id: eventId, created_at: createdAt, state } = content as unknown as Content;
      if (createdAt === undefined) return undefined;
      return { state: format.fromJson(state), revision: found.revision, eventId, createdAt };
    } catch (error) {
      this.parts.onFailure(error, stream);
      return undefined;
    }
  }

  /** Beside whatever goes on. Answers whether it is being made: not where there is no form, or too much to do. */
  take<State, Event extends DomainEvent>(
    evolver: Evolver<State, Event>,
    stream: string,
    known: Known<State>,
  ): boolean {
    if (!evolver.snapshot || this.underWay.size >= MAX_UNDER_WAY) return false;
    const work = this.make(evolver, stream, known)
      .catch((error: unknown) => this.parts.onFailure(error, stream))
      .finally(() => this.underWay.delete(work));
    this.underWay.add(work);
    return true;
  }

  private async make<State, Event extends DomainEvent>(
    { snapshot: format }: Evolver<State, Event>,
    stream: string,
    known: Known<State>,
  ): Promise<void> {
    await endOfTurn();
    const { lastId, createdAt } = known;
    if (!format || !lastId || !createdAt) return;
    const { version } = format;
    const content = { event_id: lastId, created_at: createdAt, state: format.toJson(known.state) };
    const sealed = await this.parts.codec.seal(
      format.subjectKey(known.state),
      contextOf(stream, version),
      content,
    );
    await this.parts.store.put({ stream, version, revision: lastRevisionOf(known), ...sealed });
  }
}
