import { type RecordedEvent, unavailable } from '#kernel';
import type { LogReader } from '#worker/event-store';
import { MessageFile } from '#worker/message-bus';
import type { Logger, ProjectionStatus, RelayedLog } from '#worker/projections';
import { Outbox } from './outbox.js';
import { plainError } from './plain-error.js';
import type { Request } from './protocol.js';

/** SQLite's primary result code of a failed read, write or sync of a file. */
const SQLITE_IOERR = 10;

export type BusKind = 'publish' | 'save-offset';

interface Told {
  /** The last offset of each topic that grew. */
  heads: [topic: string, head: number][];
  /** Why nothing of what was asked for is stored. */
  refusal?: Error;
}

/** The bus's file and what the log says in it, one commit a round. */
export class BusRounds {
  readonly #file: MessageFile;
  readonly #outboxes: Outbox[] = [];

  constructor(
    file: string,
    private readonly logger: Logger,
  ) {
    this.#file = new MessageFile(file);
  }

  /** Says what a crash left unsaid, and from here on what each round adds to the log. */
  async relay(relayed: RelayedLog, reader: LogReader, head: number): Promise<Told['heads']> {
    const outbox = new Outbox(relayed, this.#file, reader);
    const heads = await outbox.catchUp(head, Date.now());
    this.#outboxes.push(outbox);
    return [...heads];
  }

  /**
   * `events` are what is new in the log since it stood at `before`. A file that can't be written to refuses what is
   * published; what the log says is said later.
   */
  async commit(
    requests: readonly Request<BusKind>[],
    before: number,
    events: readonly RecordedEvent[],
  ): Promise<Told> {
    const isRelayed = this.#outboxes.length > 0 && events.length > 0;
    if (requests.length === 0 && !isRelayed) return { heads: [] };
    const nowMs = Date.now();
    // What the log says can be said again; what is only said here must not be lost.
    const isDurable = requests.some(({ kind }) => kind === 'publish');
    try {
      const late = [];
      for (const outbox of this.#outboxes) late.push(...(await outbox.catchUp(before, nowMs)));
      const heads = this.#file.transaction(isDurable, () => {
        for (const outbox of this.#outboxes) outbox.take(events, nowMs);
        for (const request of requests) {
          if (request.kind === 'publish') this.#file.append(request.topic, request.at, request.rows);
          else this.#file.saveOffset(request.group, request.topic, request.offset);
        }
      });
      return { heads: [...late, ...heads] };
    } catch (error) {
      // After a failed sync nobody knows what the disk holds.
      if ((Number((error as { errcode?: number }).errcode) & 0xff) === SQLITE_IOERR) throw error;
      for (const outbox of this.#outboxes) outbox.rollBack();
      this.logger.error(plainError(error), 'the message bus could not be written to');
      return { heads: [], refusal: unavailable('the message bus could not store it') };
    }
  }

  statuses(head: number): ProjectionStatus[] {
    return this.#outboxes.map(({ name, position }) => {
      const lag = BigInt(head - position);
      return { name, position: BigInt(position), lag, state: 'running' };
    });
  }

  checkpoint(): void {
    this.#file.checkpoint();
  }

  close(): void {
    this.#file.close();
  }
}
