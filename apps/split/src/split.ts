import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ExclusiveLock } from '#event-store';
import { unavailable } from '#kernel';
import { AppLogger, InvalidSetting, type Settings } from '#platform';
import { Gateway } from './gateway.js';
import type { ServiceName } from './routes.js';
import { serviceEnvironment } from './service-settings.js';
import { Supervisor } from './supervisor.js';

const READY_TIMEOUT_MS = 10_000;
const READY_POLL_MS = 100;
/** How long requests under way have before the services are asked to end, too. */
const DRAIN_MS = 5_000;
/** From the signal to the end, less a moment to end in. */
const STOP_MS = 9_500;

export interface SplitOptions {
  settings: Settings;
  env: NodeJS.ProcessEnv;
  /** A service's built program. */
  programOf: (service: ServiceName) => string;
  /** Resolves when everything is to end. */
  stop: Promise<unknown>;
  /** Gets one line or several. */
  print: (text: string) => void;
  printError: (line: string) => void;
}

/** Runs the four services and the gateway to them until `stop`. Throws InvalidSetting. */
export async function runSplit(options: SplitOptions): Promise<void> {
  const { settings } = options;
  if (!settings.kafka) {
    const hint = 'is needed by start:split; "npm run backends" starts brokers to try it';
    throw new InvalidSetting('KAFKA_BROKERS', hint);
  }
  const lock = ExclusiveLock.acquire(join(settings.dataDir, 'data-dir.lock'), 'the data dir');
  let inOrder: boolean;
  const said = new Announcement(options.print);
  const logger = new AppLogger(settings);
  const { programOf, printError } = options;
  const supervisor = new Supervisor({ programOf, say: said.add, sayError: printError }, logger);
  const gateway = new Gateway((service) => supervisor.portOf(service), logger);
  try {
    // Before the services start, as they are told the address, and a port that is taken ends everything.
    const url = await gateway.listen(settings);
    const publicUrl = settings.publicUrl ?? url;
    const insideUrl = await gateway.listenInside();
    supervisor.start((service) => serviceEnvironment(service, { ...options, insideUrl, publicUrl }));
    const ended = Promise.race([options.stop, supervisor.refused]);
    if (await becomesReady(gateway, supervisor, ended)) {
      said.make([`Tenantry listens on ${url}`, `The API's documentation is at ${url}/docs`]);
    }
    await ended;
  } finally {
    inOrder = await shutDown(gateway, supervisor);
    lock.release();
  }
  if (!inOrder) throw unavailable('a service did not end in time and was killed');
}

/** What the services say of themselves, told after who is there as a whole. */
class Announcement {
  private held: string[] | undefined = [];

  constructor(private readonly print: (text: string) => void) {}

  readonly add = (line: string): void => {
    if (this.held) this.held.push(line);
    else this.print(line);
  };

  make(lines: string[]): void {
    this.print([...lines, ...(this.held ?? [])].join('\n'));
    this.held = undefined;
  }
}

/**
 * Waits until all services listen and, within bounds, are ready: a long rebuild goes on while they answer. False when
 * the end came first.
 */
async function becomesReady(
  gateway: Gateway,
  supervisor: Supervisor,
  ended: Promise<unknown>,
): Promise<boolean> {
  const end = ended.then(() => 'ended' as const);
  if ((await Promise.race([supervisor.listening, end])) === 'ended') return false;
  for (const from = performance.now(); performance.now() - from < READY_TIMEOUT_MS; ) {
    const answer = await Promise.race([gateway.readiness(), end]);
    if (answer === 'ended') return false;
    if (answer.status === 'up') return true;
    if ((await Promise.race([sleep(READY_POLL_MS), end])) === 'ended') return false;
  }
  return true;
}

/** Tells whether nothing had to be killed. */
async function shutDown(gateway: Gateway, supervisor: Supervisor): Promise<boolean> {
  const startedAt = performance.now();
  const closed = gateway.close();
  await Promise.race([closed, sleep(DRAIN_MS, undefined, { ref: false })]);
  const inOrder = await supervisor.stop(STOP_MS - (performance.now() - startedAt));
  gateway.cutOff();
  await closed;
  return inOrder;
}
