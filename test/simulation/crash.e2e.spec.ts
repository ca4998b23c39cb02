import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, it } from '@jest/globals';
import { freshDataDir, type Service, startService } from '#testing';
import { inParallel, numbers, seededRandom } from '../e2e/support.js';
import { chooseAction } from './actions.js';
import { Inspection } from './inspection.js';
import { expectNoErrors, killAfterStart } from './killed-process.js';
import { Ledger, type Person } from './ledger.js';
import { Traffic } from './traffic.js';
import {
  expectKeysDestroyed,
  expectNoDeadLetters,
  expectNoTraces,
  expectPopulation,
  expectProjectionsRight,
  expectSettled,
  identify,
} from './whole-service.js';

const CYCLES = Number(process.env.TENANTRY_CRASH_CYCLES ?? 30);
const SEED = Number(process.env.TENANTRY_CRASH_SEED ?? Math.floor(Math.random() * 1_000_000_000));
const FULL_EVERY_CYCLES = 10;
const LOAD_MIN_MS = 20;
const LOAD_MAX_MS = 400;
const SAMPLE = 25;
const PARALLEL = 8;
const KILLED_FIRST_STARTS = 3;
const KILLED_START_SHARE = 0.25;
const MAX_SHOWN_FAULTS = 20;

const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** One life of the service after the other on one data dir, each ended by SIGKILL. */
class Simulation {
  readonly random = seededRandom(SEED);
  readonly dataDir = freshDataDir();
  readonly ledger = new Ledger(this.random);
  private service: Service | undefined;
  private startMs = 1_000;
  private killedStarts = 0;
  private inspected = 0;
  private cycle = 0;

  async run(): Promise<void> {
    await this.killStarts(KILLED_FIRST_STARTS);
    await this.start();
    await this.running().request('POST', '/v1/tenants', { body: { name: this.ledger.openMark } });
    for (this.cycle = 1; this.cycle <= CYCLES; this.cycle++) await this.runCycle();
    this.cycle = CYCLES;
    const { stderr, code } = await this.running().stop();
    if (code !== 0) this.ledger.fault(`SIGTERM ended it with exit code ${code}`);
    expectNoErrors(stderr, this.ledger);
    await expectNoTraces(this.dataDir, this.ledger);
    await expectKeysDestroyed(this.dataDir, this.ledger);
    this.throwFaults();
    const { counts, found } = this.ledger;
    print(
      `crash suite: ${CYCLES} cycles, ${this.killedStarts} starts killed besides; ` +
        `${counts.acknowledged} operations acknowledged, ${counts.refused} refused, ` +
        `${counts.unanswered} unanswered (found done: ${found.done}, not done: ${found.undone}); ` +
        `${this.inspected} users checked (seed ${SEED})`,
    );
  }

  async end(): Promise<void> {
    await this.service?.kill();
  }

  private async runCycle(): Promise<void> {
    const { ledger } = this;
    const before = { ...ledger.counts };
    const [loadMs, workers] = await this.loadAndKill();
    const isKilledAgain = this.random() < KILLED_START_SHARE;
    await this.killStarts(isKilledAgain ? 1 : 0);
    await this.start();
    const isFull = this.cycle % FULL_EVERY_CYCLES === 0 || this.cycle === CYCLES;
    const inspected = await this.inspect(isFull);
    const acknowledged = ledger.counts.acknowledged - before.acknowledged;
    const unanswered = ledger.counts.unanswered - before.unanswered;
    print(
      `cycle ${this.cycle}/${CYCLES}: ${workers} workers, killed after ${loadMs} ms, ` +
        `${acknowledged} acknowledged, ${unanswered} unanswered; ` +
        `${isKilledAgain ? 'started and killed again; ' : ''}started in ${this.startMs} ms; ` +
        `${inspected} users checked${isFull ? ' and everything else' : ''}`,
    );
    this.throwFaults();
  }

  private async loadAndKill(): Promise<[loadMs: number, workers: number]> {
    const { ledger, random } = this;
    const service = this.running();
    ledger.touched.clear();
    const traffic = new Traffic(service, ledger, random);
    const workers = traffic.integer(16, 32);
    const loadMs = traffic.integer(LOAD_MIN_MS, LOAD_MAX_MS);
    const startedAt = performance.now();
    const load = traffic.run(workers, () => chooseAction(random));
    await Promise.race([sleep(loadMs), load]);
    const killed = service.kill();
    const lastedMs = Math.round(performance.now() - startedAt);
    traffic.stop();
    await load;
    expectNoErrors((await killed).stderr, ledger);
    return [lastedMs, workers];
  }

  private async killStarts(count: number): Promise<void> {
    for (let start = 0; start < count; start++) {
      // As often while it still starts as while it goes on with what the kill before cut short.
      const stderr = await killAfterStart(this.dataDir, this.random() * this.startMs * 2);
      expectNoErrors(stderr, this.ledger);
      this.killedStarts += 1;
    }
  }

  private async start(): Promise<void> {
    const startedAt = performance.now();
    this.service = await startService({ dataDir: this.dataDir });
    this.startMs = Math.round(performance.now() - startedAt);
  }

  /** Always those whom a kill left open, and some of whom this cycle touched; everybody when it is full. */
  private async inspect(isFull: boolean): Promise<number> {
    const { ledger } = this;
    const service = this.running();
    const inspection = new Inspection(service, ledger);
    const sample = this.sample();
    const certain = sample.filter((person) => person.isCertain && person.id !== undefined);
    await Promise.all(certain.map((person) => inspection.inspectAtOnce(person)));
    await expectSettled(service, ledger);
    await identify(service, ledger);
    const open = ledger.people.filter((person) => !person.isCertain);
    const known = sample.filter(({ id }) => id !== undefined);
    const people = isFull ? ledger.people : [...new Set([...open, ...known])];
    await inParallel(people, PARALLEL, (person) => inspection.inspect(person));
    expectNoDeadLetters(this.dataDir, ledger);
    if (isFull) {
      await expectPopulation(service, ledger);
      await expectProjectionsRight(service, ledger);
      await expectNoTraces(this.dataDir, ledger);
    }
    this.inspected += people.length;
    return people.length;
  }

  private sample(): Person[] {
    const touched = [...this.ledger.touched];
    return numbers(SAMPLE).flatMap(() => touched.splice(Math.floor(this.random() * touched.length), 1));
  }

  private running(): Service {
    if (!this.service) throw new Error('the service was not started');
    return this.service;
  }

  private throwFaults(): void {
    const { faults } = this.ledger;
    if (faults.length === 0) return;
    const shown = faults.slice(0, MAX_SHOWN_FAULTS).join('\n  ');
    throw new Error(`faults (${faults.length}):\n  ${shown}`);
  }

  /** What one needs to look into a failure. */
  explain(error: unknown): Error {
    const where = `TENANTRY_CRASH_SEED=${SEED}, cycle ${this.cycle} of ${CYCLES}, data dir ${this.dataDir}`;
    const { message, stack = '' } = error as Error;
    const explained = new Error(`${message}\n${where}`);
    explained.stack = stack.replace(message, explained.message);
    return explained;
  }
}

describe('kill -9 at random moments', () => {
  const simulation = new Simulation();
  afterEach(() => simulation.end());

  it(
    `loses nothing that was acknowledged, and halves nothing (seed ${SEED}, ${CYCLES} cycles)`,
    async () => {
      print(`crash suite: seed ${SEED}, ${CYCLES} cycles`);
      try {
        await simulation.run();
      } catch (error) {
        throw simulation.explain(error);
      }
      rmSync(simulation.dataDir, { recursive: true });
    },
    120_000 + CYCLES * 20_000,
  );
});
