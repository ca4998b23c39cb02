import { type RecordedEvent, systemClock } from '#kernel';
import { ExclusiveLock } from '#worker/event-store';
import { KeyReader, SubjectKeyReader } from '#worker/privacy';
import type { Logger, ProjectionModule } from '#worker/projections';
import { type BusKind, BusRounds } from './bus-rounds.js';
import { dropForeign } from './derived-files.js';
import { checkedInstallation } from './installation.js';
import { type Answers, KeyRounds } from './key-rounds.js';
import { LogRounds } from './log-rounds.js';
import { fileDeps } from './opened-projection.js';
import { plainError } from './plain-error.js';
import type { ProjectionsHost } from './projections-host.js';
import { type Numbered, type Report, type Request, type StorageOptions, UNANSWERED } from './protocol.js';
import { openingFile } from './sqlite-file.js';
import { type Each, type OtherKind, sorted } from './steps.js';

/** So many rounds go by between two checkpoints of the files. */
const CHECKPOINT_EVERY_ROUNDS = 256;
const CUT_RETRY_MS = 5;
const TELL_EVERY_MS = 50;

type Round = Extract<Report, { kind: 'round' }>;

const emptyRound = (): Round => ({
  kind: 'round',
  answers: [],
  refusals: [],
  moves: [],
  rebuilds: [],
  heads: [],
});

/**
 * Does all that waits in rounds: keys, then the log, then the projections on what is new in it, then the bus. Each
 * request is answered once, when readers see what it did. A key whose event never came, a projection that is late and a
 * message that is said twice are what a crash between two steps leaves; the other way round text would be lost.
 */
export class StorageEngine {
  readonly #logger: Logger;
  readonly #lock: ExclusiveLock | undefined;
  readonly #keys: KeyRounds | undefined;
  readonly #log: LogRounds | undefined;
  readonly #bus: BusRounds | undefined;
  readonly #host: ProjectionsHost | undefined;
  readonly #subjectKeys: SubjectKeyReader | undefined;
  readonly #keyReader: KeyReader | undefined;
  #waiting: Numbered[] = [];
  #isWorking = false;
  #isClosed = false;
  readonly #closed = Promise.withResolvers<void>();
  #rounds = 0;
  #round = emptyRound();
  /** What this round's appends have sealed. */
  readonly #opened = new Map<string, string>();
  readonly #answers: Answers = {
    settle: (number, answer) => {
      if (number !== UNANSWERED) this.#round.answers.push([number, answer]);
    },
    refuse: (number, error) => void this.#round.refusals.push([number, plainError(error)]),
  };
  #cutTimer: NodeJS.Timeout | undefined;
  #telling: NodeJS.Timeout | undefined;

  constructor(
    { lock, log, keys, bus, read, masterKey, old, ...options }: StorageOptions,
    private readonly report: (report: Report) => void,
    private readonly onFailure: (error: unknown) => void,
    Host?: typeof ProjectionsHost,
  ) {
    this.#logger = this.#makeLogger();
    this.#lock = lock && openingFile(lock.file, () => ExclusiveLock.acquire(lock.file, lock.what));
    const paired = options.paired && log && keys ? { ...options, log: log.file, keys, bus } : undefined;
    const id = paired && checkedInstallation(paired);
    if (keys) {
      this.#keys = openingFile(keys, () => new KeyRounds(keys, masterKey, id));
      if (old) this.#keys.takeOver(old, bus);
      this.#keyReader = new KeyReader(keys);
      this.#subjectKeys = new SubjectKeyReader(this.#keyReader, masterKey);
    }
    this.#log = log && openingFile(log.file, () => new LogRounds(log, onFailure, id));
    if (this.#log) this.#keys?.sweep(this.#log.reader);
    if (id !== undefined) dropForeign({ read, bus }, { id, head: this.head }, this.#logger);
    this.#bus = bus ? openingFile(bus, () => new BusRounds(bus, this.#logger)) : undefined;
    const feed = this.#log?.feed;
    if (Host && read && log && feed) {
      const build = keys ? { log: log.file, keys, masterKey, installation: id } : undefined;
      this.#host = new Host({ folder: read, feed, clock: systemClock, logger: this.#logger, build });
    }
  }

  take(requests: readonly Numbered[]): void {
    this.#waiting.push(...requests);
    if (this.#isWorking) return;
    this.#isWorking = true;
    setImmediate(() => {
      this.#work().catch(this.onFailure);
    });
  }

  async #work(): Promise<void> {
    do {
      const requests = this.#waiting;
      this.#waiting = [];
      await this.#doRound(requests);
      this.#tell();
      if (this.#isClosed) return this.#closed.resolve();
      if (++this.#rounds % CHECKPOINT_EVERY_ROUNDS === 0) this.#checkpoint();
      await this.#cutJournals();
      // What has arrived meanwhile is taken in before the next round begins.
      await new Promise((resolve) => setImmediate(resolve));
    } while (this.#waiting.length > 0 || this.#isCutOpen);
    this.#isWorking = false;
  }

  /** When it was opened. */
  get head(): number {
    return this.#log?.head ?? 0;
  }

  /** Resolves once all files are closed and whoever asked for it was told. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  async #doRound(requests: readonly Numbered[]): Promise<void> {
    const { settle } = this.#answers;
    const { keys, appends, published, others } = sorted(requests);
    const asks = appends.map(([, append]) => append);
    const before = this.head;
    const taken = this.#keys?.commit(keys, asks, this.#answers, before) ?? [];
    for (const [, request] of keys) {
      if (request.kind === 'destroy-keys') this.#subjectKeys?.forget(request.ids.map(String));
    }
    const free = asks.filter((_, index) => !taken[index]).map(({ request }) => request);
    const log = this.#log?.commit(free, this.#keys?.commits);
    const events = log?.events ?? [];
    for (const { opened = [] } of free) for (const [sealed, clear] of opened) this.#opened.set(sealed, clear);
    await this.#host?.pass(events);
    this.#opened.clear();
    await this.#publish(published, before, events);
    const outcomes = log?.outcomes.values();
    for (const [index, [number]] of appends.entries()) settle(number, taken[index] ?? outcomes?.next().value);
    for (const [number, request] of others) await this.#answer(number, () => this.#serve(request));
  }

  async #publish(
    published: readonly Each<BusKind>[],
    before: number,
    events: readonly RecordedEvent[],
  ): Promise<void> {
    const requests = published.map(([, request]) => request);
    const told = await this.#bus?.commit(requests, before, events);
    this.#round.heads.push(...(told?.heads ?? []));
    const { refusal } = told ?? {};
    for (const [number] of published) {
      if (refusal) this.#answers.refuse(number, refusal);
      else this.#answers.settle(number, undefined);
    }
  }

  /** What may be refused by itself. */
  async #answer(number: number, work: () => unknown): Promise<void> {
    try {
      this.#answers.settle(number, await work());
    } catch (error) {
      this.#answers.refuse(number, error);
    }
  }

  async #serve(request: Request<OtherKind>): Promise<unknown> {
    switch (request.kind) {
      case 'queries':
        return this.#host?.run(request.part, request.queries);
      case 'follow':
        return this.#follow(request.modules);
      case 'statuses':
        return [...((await this.#host?.statuses()) ?? []), ...(this.#bus?.statuses(this.head) ?? [])];
      case 'rebuild':
        return this.#host?.rebuild(request.name, request.verify);
      case 'ready':
        return undefined;
      case 'close':
        return this.#close();
    }
  }

  async #follow(urls: readonly string[]): Promise<void> {
    const modules = await Promise.all(urls.map((url) => import(url) as Promise<ProjectionModule>));
    if (this.#host) {
      const keys = this.#subjectKeys;
      if (!keys) throw new Error('projections need the key store in this thread');
      const made = await Promise.all(
        modules.map(({ projections }) => projections(fileDeps(keys, this.#opened))),
      );
      await this.#host.start(made.flat(), urls);
      this.#telling = setInterval(() => this.#tellMoves(), TELL_EVERY_MS);
    }
    const reader = this.#log?.reader;
    if (!this.#bus || !reader) return;
    for (const { relayed } of modules) {
      if (relayed) this.#round.heads.push(...(await this.#bus.relay(relayed, reader, this.head)));
    }
  }

  #tell(): void {
    const round = this.#round;
    this.#round = emptyRound();
    round.moves = this.#host?.moves() ?? [];
    round.rebuilds = this.#host?.rebuilds() ?? [];
    this.report(round);
  }

  /** What happens between two rounds: a projection catches up or stops, a rebuild goes on. */
  #tellMoves(): void {
    if (this.#isWorking) return;
    const [moves, rebuilds] = [this.#host?.moves() ?? [], this.#host?.rebuilds() ?? []];
    if (moves.length > 0 || rebuilds.length > 0) this.report({ ...emptyRound(), moves, rebuilds });
  }

  /** The time for another try has come while a round was being done. */
  get #isCutOpen(): boolean {
    return this.#keys?.cutDueAtMs !== undefined && this.#cutTimer === undefined;
  }

  /** What was erased is answered for here; while somebody reads, journals can't be cut and it is tried again. */
  async #cutJournals(): Promise<void> {
    const dueAtMs = this.#keys?.cutDueAtMs;
    if (dueAtMs === undefined) return;
    if (performance.now() >= dueAtMs && (await this.#host?.erase()) !== false) this.#keys?.cut();
    if (this.#round.answers.length > 0) this.#tell();
    if (this.#keys?.cutDueAtMs === undefined) return;
    this.#cutTimer ??= setTimeout(() => {
      this.#cutTimer = undefined;
      this.take([]);
    }, CUT_RETRY_MS);
  }

  #checkpoint(): void {
    this.#log?.checkpoint();
    this.#keys?.checkpoint();
    this.#bus?.checkpoint();
  }

  async #close(): Promise<void> {
    clearTimeout(this.#cutTimer);
    clearInterval(this.#telling);
    if ((await this.#host?.erase()) !== false) this.#keys?.cut();
    await this.#host?.close();
    await this.#log?.feed.close();
    this.#keyReader?.close();
    this.#keys?.close(this.head);
    this.#log?.close(this.#keys?.commits);
    this.#bus?.close();
    this.#lock?.release();
    this.#isClosed = true;
  }

  #makeLogger(): Logger {
    const at = (level: 'info' | 'warn' | 'error') => (fields: object, message: string) =>
      this.report({ kind: 'log', level, fields, message });
    return { info: at('info'), warn: at('warn'), error: at('error') };
  }
}
