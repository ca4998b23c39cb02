import { streamId } from '#kernel';
import { type LogReader, SnapshotTable, type TakenOutcome } from '#worker/event-store';
import { type IdentifierWrite, KeyFile, keyLabel, MasterKey } from '#worker/privacy';
import type { PlainQuery } from '#worker/projections';
import { BegunStreams } from './begun-streams.js';
import { InstallationRow, keyCommitsIn } from './installation.js';
import { type OldFiles, takeOver } from './old-files.js';
import type { Request } from './protocol.js';

/** Erasures share a cut of the journal: it costs some milliseconds, however many they are. */
const ERASED_TOGETHER = 32;
const CUT_WITHIN_MS = 20;

/** SQLite's primary result codes of what a statement alone is to blame for: ERROR, TOOBIG, CONSTRAINT, MISMATCH, RANGE. */
const OF_THE_STATEMENT = [1, 18, 19, 20, 25];

/** `queries` of the part that stands beside the keys. */
export type KeyKind =
  | 'insert-key'
  | 'destroy-keys'
  | 'identifiers'
  | 'put-snapshot'
  | 'insert-secret'
  | 'destroy-secret'
  | 'queries';

/** How requests are answered, by their number. */
export interface Answers {
  settle(number: number, answer: unknown): void;
  refuse(number: number, error: unknown): void;
}

interface Erasure {
  answer: unknown;
  settle(answer: unknown): void;
}

/** What is kept with the keys, one durable commit a round. What was erased is answered for once the journal is cut. */
export class KeyRounds {
  readonly #file: KeyFile;
  readonly #masterKey: MasterKey;
  readonly #snapshots: SnapshotTable;
  readonly #begun: BegunStreams;
  readonly #installation: InstallationRow | undefined;
  #commits = 0;
  #uncut: Erasure[] = [];
  #oldestUncutMs = 0;

  constructor(file: string, masterKey: Uint8Array, installation?: string) {
    this.#masterKey = new MasterKey(masterKey);
    this.#file = new KeyFile(file);
    this.#snapshots = new SnapshotTable(this.#file.database);
    this.#begun = new BegunStreams(this.#file.database);
    if (installation === undefined) return;
    this.#installation = new InstallationRow(this.#file.database, installation);
    this.#commits = keyCommitsIn(this.#file.database);
  }

  /** How often the file was written. */
  get commits(): number {
    return this.#commits;
  }

  /**
   * Settles each request now or later; queries that fail are refused by themselves. Claims all or none for each append;
   * answers what is in the way of each. `logHead` is the last position that is durable in the log.
   */
  commit(
    requests: readonly (readonly [number: number, request: Request<KeyKind>])[],
    appends: readonly Pick<Request<'append'>, 'request' | 'claimed'>[],
    { settle, refuse }: Answers,
    logHead: number,
  ): (TakenOutcome | undefined)[] {
    if (requests.length === 0 && appends.every(({ claimed }) => claimed === undefined)) return [];
    const done: (() => void)[] = [];
    const taken: (TakenOutcome | undefined)[] = [];
    const begun: string[] = [];
    this.#file.transaction(() => {
      this.#installation?.save(++this.#commits, logHead);
      for (const { request, claimed } of appends) {
        const other = claimed && this.#file.identifiers.claim(claimed.keys, claimed);
        taken.push(other && { kind: 'taken', ...other });
        if (claimed && !other && claimed.revision === 0) begun.push(request.stream);
      }
      this.#begun.replace(begun);
      for (const [number, request] of requests) {
        if (request.kind === 'queries') {
          const refusal = this.#run(request.queries);
          done.push(() => (refusal ? refuse(number, refusal) : settle(number, undefined)));
          continue;
        }
        const answer = this.#apply(request);
        if (request.kind !== 'destroy-keys' && request.kind !== 'destroy-secret') {
          done.push(() => settle(number, answer));
        } else {
          done.push(() => this.#erased({ answer, settle: (it) => settle(number, it) }));
        }
      }
    });
    for (const step of done) step();
    return taken;
  }

  /** Before anything else is done with the files. */
  takeOver(old: OldFiles, bus: string | undefined): void {
    takeOver(old, this.#file.database, bus);
  }

  /** Before anything else is claimed. After a kill, frees what was claimed for streams that never began. */
  sweep(log: LogReader): void {
    const page = { from: 0, limit: 1, backwards: false };
    const missing = this.#begun.all().filter((stream) => log.readStream(stream, page).length === 0);
    if (missing.length === 0) return;
    const gone = missing.map((stream) => ({ holder: streamId(stream), gone: true as const }));
    this.#file.transaction(() => {
      this.#file.identifiers.follow(gone, { fill: false });
      this.#begun.replace([]);
    });
    this.#file.truncate();
  }

  /** When the journal is to be cut at the latest; undefined while nothing waits for it. */
  get cutDueAtMs(): number | undefined {
    if (this.#uncut.length === 0) return undefined;
    return this.#uncut.length >= ERASED_TOGETHER ? 0 : this.#oldestUncutMs + CUT_WITHIN_MS;
  }

  /** Cuts the journal, unless somebody reads just then: it is tried again. */
  cut(): void {
    if (!this.#file.truncate()) return;
    const erased = this.#uncut;
    this.#uncut = [];
    for (const { answer, settle } of erased) settle(answer);
  }

  checkpoint(): void {
    this.#file.checkpoint();
  }

  close(logHead: number): void {
    this.#file.transaction(() => this.#installation?.save(++this.#commits, logHead));
    this.#file.close();
  }

  #erased(erasure: Erasure): void {
    if (this.#uncut.length === 0) this.#oldestUncutMs = performance.now();
    this.#uncut.push(erasure);
  }

  #apply(request: Request<Exclude<KeyKind, 'queries'>>): unknown {
    switch (request.kind) {
      case 'insert-key':
        return this.#insert(request.id, request.key);
      case 'destroy-keys':
        this.#snapshots.deleteOfKeys(request.ids.map(String));
        return request.ids.map((id) => this.#file.destroy(id, request.at));
      case 'identifiers':
        return this.#identify(request.write);
      case 'put-snapshot':
        return this.#snapshots.put(request.snapshot);
      case 'insert-secret':
        return this.#file.insertSecret(request.name, request.wrapped);
      case 'destroy-secret':
        return this.#file.deleteSecret(request.name);
    }
  }

  #insert(id: number, key: Uint8Array): void {
    this.#file.insert(id, this.#masterKey.wrap(keyLabel(String(id)), key));
    key.fill(0);
  }

  #identify(write: IdentifierWrite): unknown {
    const { identifiers } = this.#file;
    switch (write.do) {
      case 'claim':
        return identifiers.claim(write.keys, write.claim);
      case 'release':
        return identifiers.release(write.keys, write.claim);
      case 'follow':
        return identifiers.follow(write.holdings, { fill: write.fill });
      case 'complete':
        return identifiers.complete();
    }
  }

  /** All or none; answers why none. What the disk is to blame for is thrown. */
  #run(queries: readonly PlainQuery[]): unknown {
    const { database } = this.#file;
    let refusal: unknown;
    database.exec('SAVEPOINT queries');
    try {
      for (const { sql, parameters } of queries) {
        database.prepare(sql).run(...(parameters as (string | number | null)[]));
      }
    } catch (error) {
      const { errcode } = error as { errcode?: number };
      if (errcode !== undefined && !OF_THE_STATEMENT.includes(errcode & 0xff)) throw error;
      database.exec('ROLLBACK TO queries');
      refusal = error;
    }
    database.exec('RELEASE queries');
    return refusal;
  }
}
