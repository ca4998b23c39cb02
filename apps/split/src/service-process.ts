import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { type AppLogger, InvalidSetting } from '#platform';

/** As `npm start` runs the whole service: a heap that may grow is collected late. */
const NODE_OPTIONS = ['--max-old-space-size=512', '--disable-warning=TimeoutNegativeWarning'];
const EX_CONFIG = 78;
const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 5_000;
/** A service that lived as long as this has not failed to start. */
const STEADY_MS = 30_000;
const LISTENS = /^Tenantry \S+ listens on http:\S+:(\d+)$/;

export interface ServiceProgram {
  name: string;
  /** The built program's file. */
  program: string;
  /** Gets each line of its standard output but the one that tells where it listens. */
  say: (line: string) => void;
  /** Gets each line of its standard error: JSON with the service's name in it, or the name before other lines. */
  sayError: (line: string) => void;
}

interface End {
  code: number | null;
  signal: string | null;
  livedMs: number;
}

/** One service in a process of its own, which is started again when it ends by itself. */
export class ServiceProcess {
  /** Rejects with InvalidSetting when the service refuses a setting, after which it is not started again. */
  readonly refused: Promise<never>;
  private readonly refuse: (error: InvalidSetting) => void;
  private readonly firstListening = Promise.withResolvers<void>();
  private env: NodeJS.ProcessEnv = {};
  private child: ChildProcess | undefined;
  private ended: Promise<unknown> = Promise.resolve();
  private retry: NodeJS.Timeout | undefined;
  private retryDelayMs = FIRST_RETRY_MS;
  private stopping = false;
  private listensAt: number | undefined;
  /** What it wrote before it listened, of which the last line tells why it does not. */
  private heldErrors: string[] = [];

  constructor(
    private readonly options: ServiceProgram,
    private readonly logger: AppLogger,
  ) {
    const { promise, reject } = Promise.withResolvers<never>();
    this.refused = promise;
    this.refused.catch(() => undefined);
    this.refuse = reject;
  }

  /** Where it listens, of the system's choice at each start; undefined while it starts, and when it has ended. */
  get port(): number | undefined {
    return this.listensAt;
  }

  /** Resolves when it listens for the first time. */
  get listened(): Promise<void> {
    return this.firstListening.promise;
  }

  start(env = this.env): void {
    this.env = env;
    const { program } = this.options;
    const startedAt = performance.now();
    const child = spawn(process.execPath, [...NODE_OPTIONS, program], {
      env,
      // By the channel, the service notices when this process has ended, however that came about.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // A Ctrl-C at the terminal reaches this process alone, which then stops the services in order.
      detached: true,
    });
    this.child = child;
    child.on('error', (error) => this.logger.failure(error, { service: this.options.name }));
    eachLine(child.stdout, (line) => this.heard(line));
    eachLine(child.stderr, (line) => this.heardError(line));
    this.ended = once(child, 'close').then(
      ([code, signal]) => this.hasEnded({ code, signal, livedMs: performance.now() - startedAt }),
      // It could not be spawned, which the listener above tells.
      () => this.hasEnded({ code: null, signal: null, livedMs: 0 }),
    );
  }

  /** Asks it to end; resolves when it has. */
  async stop(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.retry);
    this.child?.kill('SIGTERM');
    await this.ended;
  }

  kill(): void {
    this.child?.kill('SIGKILL');
  }

  private heard(line: string): void {
    const [, port] = LISTENS.exec(line) ?? [];
    if (!port) {
      this.options.say(line);
      return;
    }
    this.listensAt = Number(port);
    this.firstListening.resolve();
    this.passHeldErrors();
  }

  private heardError(line: string): void {
    const { name, sayError } = this.options;
    if (/^\{".*\}$/.test(line)) sayError(`{"service":"${name}",${line.slice(1)}`);
    else this.heldErrors.push(line);
    if (this.listensAt) this.passHeldErrors();
  }

  private passHeldErrors(): void {
    const { name, sayError } = this.options;
    for (const line of this.heldErrors) sayError(`${name}: ${line}`);
    this.heldErrors = [];
  }

  private hasEnded(end: End): void {
    const { code, signal, livedMs } = end;
    const { name } = this.options;
    this.listensAt = undefined;
    this.child = undefined;
    if (code === EX_CONFIG) {
      // One line tells it, whichever of the services was the first to see it.
      const [variable = '', ...cause] = (this.heldErrors.at(-1) ?? 'settings: refused').split(': ');
      this.refuse(new InvalidSetting(variable, `${cause.join(': ')} (the ${name} service)`));
      return;
    }
    this.passHeldErrors();
    if (this.stopping) return;
    if (livedMs > STEADY_MS) this.retryDelayMs = FIRST_RETRY_MS;
    const delayMs = this.retryDelayMs;
    this.retryDelayMs = Math.min(delayMs * 2, MAX_RETRY_MS);
    this.logger.warn({ service: name, code, signal, delayMs }, 'the service ended; it is started again');
    this.retry = setTimeout(() => this.start(), delayMs);
  }
}

function eachLine(stream: Readable | null, take: (line: string) => void): void {
  if (stream) createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', take);
}
