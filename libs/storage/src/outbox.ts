import { categoryOf, type RecordedEvent } from '#kernel';
import type { LogReader } from '#worker/event-store';
import type { MessageFile } from '#worker/message-bus';
import type { RelayedLog } from '#worker/projections';

const EVENTS_AT_ONCE = 512;

/** Puts what the log says into the bus's file: each message and how far it has come in one transaction. */
export class Outbox {
  #position: number;

  constructor(
    private readonly relayed: RelayedLog,
    private readonly messages: MessageFile,
    private readonly reader: LogReader,
  ) {
    this.#position = messages.relayed(relayed.name) ?? 0;
  }

  /** What a crash or a failed transaction left unsaid. Answers the topics that grew. */
  async catchUp(head: number, nowMs: number): Promise<Map<string, number>> {
    const heads = new Map<string, number>();
    const categories = new Set(this.relayed.categories);
    while (this.#position < head) {
      const { events, position } = this.reader.scan({
        after: this.#position,
        head,
        limit: EVENTS_AT_ONCE,
        categories,
      });
      const grown = this.messages.transaction(false, () => this.#put(events, position, nowMs));
      for (const [topic, offset] of grown) heads.set(topic, offset);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return heads;
  }

  /** To be called within a transaction of the bus's file, with the next events of the log. */
  take(events: readonly RecordedEvent[], nowMs: number): void {
    const last = events.at(-1);
    if (last) this.#put(events, Number(last.position), nowMs);
  }

  /** Forgets what a transaction that failed had put in; it is caught up with later. */
  rollBack(): void {
    this.#position = this.messages.relayed(this.relayed.name) ?? 0;
  }

  get position(): number {
    return this.#position;
  }

  get name(): string {
    return this.relayed.name;
  }

  #put(events: readonly RecordedEvent[], position: number, nowMs: number): void {
    const { name, categories, toMessage } = this.relayed;
    const found = events
      .filter(({ stream }) => categories.includes(categoryOf(stream)))
      .map(toMessage)
      .filter((it) => it !== undefined);
    for (const [topic, published] of Map.groupBy(found, (it) => it.topic)) {
      const rows = published.map(({ message }) => ({ type: message.type, body: JSON.stringify(message) }));
      this.messages.append(topic, nowMs, rows);
    }
    this.messages.saveRelayed(name, position);
    this.#position = position;
  }
}
