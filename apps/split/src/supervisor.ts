import type { AppLogger } from '#platform';
import { SERVICES, type ServiceName } from './routes.js';
import { ServiceProcess } from './service-process.js';

export interface Services {
  /** A service's built program. */
  programOf: (service: ServiceName) => string;
  /** Gets each line that a service says of itself. */
  say: (line: string) => void;
  /** Gets each line of their logs, and what else they write to standard error. */
  sayError: (line: string) => void;
}

/** Runs the four services, each in a process of its own. */
export class Supervisor {
  private readonly services: ReadonlyMap<ServiceName, ServiceProcess>;
  /** Resolves when all of them listen for the first time. */
  readonly listening: Promise<unknown>;
  /** Rejects with InvalidSetting when one of them refuses a setting. */
  readonly refused: Promise<never>;

  constructor({ programOf, ...output }: Services, logger: AppLogger) {
    this.services = new Map(
      SERVICES.map((name) => [
        name,
        new ServiceProcess({ name, program: programOf(name), ...output }, logger),
      ]),
    );
    this.listening = Promise.all(this.all().map(({ listened }) => listened));
    this.refused = Promise.race(this.all().map(({ refused }) => refused));
    this.refused.catch(() => undefined);
  }

  /** Throws what `environmentOf` throws, before any is started. */
  start(environmentOf: (service: ServiceName) => NodeJS.ProcessEnv): void {
    const environments = new Map(SERVICES.map((name) => [name, environmentOf(name)]));
    for (const [name, service] of this.services) service.start(environments.get(name) ?? {});
  }

  /** Where the service listens; undefined while it does not. */
  portOf(name: ServiceName): number | undefined {
    return this.services.get(name)?.port;
  }

  /** Resolves when all have ended, by themselves or at the deadline; tells whether all did by themselves. */
  async stop(deadlineMs: number): Promise<boolean> {
    let all = true;
    const deadline = setTimeout(() => {
      all = false;
      for (const service of this.all()) service.kill();
    }, deadlineMs);
    await Promise.all(this.all().map((service) => service.stop()));
    clearTimeout(deadline);
    return all;
  }

  private all(): ServiceProcess[] {
    return [...this.services.values()];
  }
}
