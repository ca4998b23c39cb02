import type { JsonObject, RecordedEvent } from '#kernel';
import type { EventStore } from '#worker/event-store';
import type { ReadDatabase } from './read-database.js';

/** What queries are made with, in the thread that reads. */
export interface QueryDeps {
  database: ReadDatabase;
  /** Opens what an event of the stream sealed; null once its key is destroyed, or damaged as the text may be. */
  open(sealed: string, stream: string): Promise<JsonObject | null>;
  log: Pick<EventStore, 'read'>;
  /** Opens what is sealed in an event. */
  codec: { decode(event: RecordedEvent): Promise<RecordedEvent<object>> };
  /** A secret of the key store. */
  secret(name: string): Promise<Uint8Array>;
  /** Aborted when the process ends. */
  signal: AbortSignal;
  /** Told of errors that nobody waits for. */
  failed(error: unknown): void;
}

/** What takes long to read. Its arguments and answers can be cloned from one thread to another; bytes have memory of their own. */
export interface Queries {
  /** Each has arguments of its own. A Uint8Array that one answers, with a buffer to itself, is handed over, not cloned. */
  answers: { readonly [name: string]: (...asked: never[]) => Promise<unknown> };
  /** Called when a projection's tables were replaced by others, and at the start. */
  replaced?(projection: string): void;
}

/** Answers queries by their names, in this thread or another. */
export interface QueryRunner {
  /** Whatever many of one group ask for at once, others wait for a few of theirs alone. */
  ask(group: string, name: string, asked: readonly unknown[]): Promise<unknown>;
  replaced(projection: string): void;
  close(): Promise<void>;
}

/** The queries of some modules, answered in this thread. */
export class LocalQueries implements QueryRunner {
  private constructor(
    private readonly all: readonly Queries[],
    private readonly stopping: AbortController,
  ) {}

  static async make(
    modules: readonly { queries?: ((deps: QueryDeps) => Promise<Queries>) | undefined }[],
    deps: Omit<QueryDeps, 'signal'>,
  ): Promise<LocalQueries> {
    const stopping = new AbortController();
    const made = modules.map(({ queries }) => queries?.({ ...deps, signal: stopping.signal }));
    return new LocalQueries(
      (await Promise.all(made)).filter((queries) => queries !== undefined),
      stopping,
    );
  }

  async ask(_group: string, name: string, asked: readonly unknown[]): Promise<unknown> {
    const answer = this.all.map(({ answers }) => answers[name]).find((each) => each !== undefined);
    if (!answer) throw new Error(`there is no query ${name}`);
    return answer(...(asked as never[]));
  }

  replaced(projection: string): void {
    for (const { replaced } of this.all) replaced?.(projection);
  }

  async close(): Promise<void> {
    this.stopping.abort();
  }
}
