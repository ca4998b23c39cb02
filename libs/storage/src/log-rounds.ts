import type { RecordedEvent } from '#kernel';
import {
  type AppendOutcome,
  type AppendRequest,
  LogFeed,
  LogFile,
  LogReader,
  type Positions,
  storedEvents,
} from '#worker/event-store';

/** The log as the thread that writes it sees it: appends of one round are one commit, and followers learn of it. */
export class LogRounds {
  readonly reader: LogReader;
  readonly feed: LogFeed;
  readonly #file: LogFile;

  constructor(
    { file, positions }: { file: string; positions: Positions },
    onFailure: (error: unknown) => void,
  ) {
    this.#file = new LogFile(file, positions);
    this.reader = new LogReader(file);
    this.feed = new LogFeed(this.reader, this.#file.head, onFailure);
  }

  get head(): number {
    return this.#file.head;
  }

  commit(requests: readonly AppendRequest[]): { outcomes: AppendOutcome[]; events: RecordedEvent[] } {
    if (requests.length === 0) return { outcomes: [], events: [] };
    const outcomes = this.#file.commit(requests);
    const events = outcomes.flatMap((outcome, index) =>
      storedEvents(requests[index] as AppendRequest, outcome, this.#file.step),
    );
    const bytes = requests.flatMap(({ rows }) => rows).reduce((sum, row) => sum + row[3].length, 0);
    this.feed.committed(events, bytes);
    return { outcomes, events };
  }

  checkpoint(): void {
    this.#file.checkpoint();
  }

  close(): void {
    this.reader.close();
    this.#file.close();
  }
}
