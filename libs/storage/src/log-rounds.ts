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
import { InstallationRow } from './installation.js';

/** The log as the thread that writes it sees it: appends of one round are one commit, and followers learn of it. */
export class LogRounds {
  readonly reader: LogReader;
  readonly feed: LogFeed;
  readonly #file: LogFile;
  readonly #installation: InstallationRow | undefined;

  constructor(
    { file, positions }: { file: string; positions: Positions },
    onFailure: (error: unknown) => void,
    installation?: string,
  ) {
    this.#file = new LogFile(file, positions);
    this.#installation =
      installation === undefined ? undefined : new InstallationRow(this.#file.database, installation);
    this.reader = new LogReader(file);
    this.feed = new LogFeed(this.reader, this.#file.head, onFailure);
  }

  get head(): number {
    return this.#file.head;
  }

  /** `keyCommits` is how often the keys' file was written, for good, until now. */
  commit(
    requests: readonly AppendRequest[],
    keyCommits = 0,
  ): { outcomes: AppendOutcome[]; events: RecordedEvent[] } {
    if (requests.length === 0) return { outcomes: [], events: [] };
    const outcomes = this.#file.commit(requests, () => this.#installation?.save(this.head, keyCommits));
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

  close(keyCommits = 0): void {
    this.reader.close();
    this.#file.commit([], () => this.#installation?.save(this.head, keyCommits));
    this.#file.close();
  }
}
