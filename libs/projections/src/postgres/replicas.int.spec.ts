import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import pg from 'pg';
import { type RecordedEvent, systemClock } from '#kernel';
import {
  appendSample,
  foldSample,
  InMemoryEventStore,
  onOwnPostgres,
  type PostgresCluster,
  RecordingLogger,
  readSample,
  SampleProjection,
  schemaUrl,
} from '#testing';
import { LogFollower } from '../log-follower.js';
import { ProjectionRunner } from '../projection-runner.js';
import { PostgresReadDatabase } from './postgres-read-database.js';
import { PostgresReplicas } from './postgres-replicas.js';

/** What a process keeps in memory of the rows, until it is told that they have changed. */
class CachedProjection extends SampleProjection {
  cached: number | undefined;
  changes = 0;
  replacements = 0;

  changed(replaced: boolean): void {
    this.changes += 1;
    this.cached = undefined;
    if (replaced) this.replacements += 1;
  }
}

/** One process of a service. */
class Replica {
  readonly projection: CachedProjection;
  readonly handled: bigint[] = [];
  readonly runner: ProjectionRunner;
  readonly follower: LogFollower;

  private constructor(
    store: InMemoryEventStore,
    readonly database: PostgresReadDatabase,
    readonly replicas: PostgresReplicas,
    version: number,
  ) {
    this.projection = new CachedProjection('accounts', version);
    const parts = { store, database, replicas, clock: systemClock, logger: new RecordingLogger() };
    const onChange = (_: string, replaced: boolean) => this.projection.changed(replaced);
    this.runner = new ProjectionRunner({ ...parts, onChange, projections: [this.projection] });
    const handle = async (events: readonly RecordedEvent[]) => {
      this.handled.push(...events.map(({ position }) => position));
    };
    this.follower = new LogFollower({ ...parts, name: 'policy', categories: ['account'], handle });
  }

  static async start(store: InMemoryEventStore, url: string, version = 1): Promise<Replica> {
    const database = await PostgresReadDatabase.open(url);
    const replicas = new PostgresReplicas(url, new RecordingLogger());
    const replica = new Replica(store, database, replicas, version);
    await replica.runner.start();
    await replica.follower.start();
    return replica;
  }

  async state(): Promise<(string | undefined)[]> {
    return [(await this.runner.statuses())[0]?.state, (await this.follower.status()).state];
  }

  /** The sum of all balances, as it keeps it in memory. */
  async total(): Promise<number> {
    if (this.projection.cached !== undefined) return this.projection.cached;
    const { changes } = this.projection;
    const { rows } = await sql<{ total: number }>`
      select coalesce(sum(balance), 0) as total from accounts`.execute(this.database.reader());
    const total = rows[0]?.total ?? 0;
    // What was read while the rows changed may be out of date already.
    if (changes === this.projection.changes) this.projection.cached = total;
    return total;
  }

  async stop(): Promise<void> {
    await this.follower.stop();
    await this.runner.stop();
    await this.replicas.close();
    await this.database.close();
  }
}

const describeReplicas = (server: PostgresCluster) =>
  describe('processes that share a PostgreSQL server', () => {
    let store: InMemoryEventStore;
    let url: string;
    let log: RecordedEvent[];
    const running: Replica[] = [];

    const start = async (version?: number) => {
      const replica = await Replica.start(store, url, version);
      running.push(replica);
      return replica;
    };
    const stop = async (replica: Replica) => {
      running.splice(running.indexOf(replica), 1);
      await replica.stop();
    };
    const append = async (count: number, stream = 'account-1') => {
      for (let index = 1; index <= count; index += 1) log.push(await appendSample(store, stream, index));
      return log.at(-1)?.position ?? 0n;
    };
    const admin = async (statement: string) => {
      const client = new pg.Client(server.url);
      await client.connect();
      const { rows } = await client.query(statement);
      await client.end();
      return rows;
    };
    /** Ends the connections that hold the locks of this test's schema, as the death of their process does. */
    const cutLeaders = () =>
      admin(`select pg_terminate_backend(pid) from pg_stat_activity where pid in
      (select pid from pg_locks where locktype = 'advisory') and pid <> pg_backend_pid()`);
    const leading = async (replica: Replica) => {
      for (let tries = 0; tries < 1_000; tries += 1) {
        if ((await replica.state()).every((state) => state === 'running')) return true;
        await sleep(10);
      }
      return false;
    };

    beforeEach(() => {
      store = new InMemoryEventStore();
      url = schemaUrl(server.url);
      log = [];
    });
    afterEach(async () => {
      for (const replica of running.splice(0)) await replica.stop();
      await store.close();
    });

    it('given three that start at once, when events come, then one applies each once and all know how far it is', async () => {
      await append(100);
      const replicas = await Promise.all([start(), start(), start()]);
      for (const replica of replicas)
        expect(await replica.runner.waitFor('accounts', 100n, 10_000)).toBe(true);
      const states = await Promise.all(replicas.map((replica) => replica.state()));
      expect(states.map(([projection]) => projection).sort()).toEqual(['running', 'standby', 'standby']);
      expect(states.map(([, follower]) => follower).sort()).toEqual(['running', 'standby', 'standby']);
      const last = await append(20);
      for (const replica of replicas)
        expect(await replica.runner.waitFor('accounts', last, 10_000)).toBe(true);
      expect(await readSample(replicas[0]!.database)).toEqual(foldSample(log));
      await Promise.all(replicas.map(({ follower }) => follower.waitFor(last, 10_000)));
      expect(replicas.flatMap(({ handled }) => handled)).toEqual(log.map(({ position }) => position));
    });

    it('given one that stands by, when it waited for a position, then what it kept in memory is forgotten', async () => {
      const first = await start();
      const second = await start();
      for (let round = 0; round < 30; round += 1) {
        const position = await append(1, `account-${round}`);
        await second.total();
        expect(await second.runner.waitFor('accounts', position, 10_000)).toBe(true);
        expect(await second.total()).toBe(round + 1);
      }
      expect(await first.total()).toBe(30);
    });

    it('given one that stands by, when events pass that do not concern the projection, then it knows without a change', async () => {
      await start();
      const second = await start();
      await append(1);
      expect(await second.runner.waitFor('accounts', 1n, 10_000)).toBe(true);
      const { changes } = second.projection;
      const position = await append(10, 'other-1');
      expect(await second.runner.waitFor('accounts', position, 10_000)).toBe(true);
      expect(second.projection.changes).toBe(changes);
    });

    it('when the one that leads stops, then another takes over and none is applied twice', async () => {
      const first = await start();
      const second = await start();
      await append(50);
      await stop(first);
      const position = await append(50);
      expect(await second.runner.waitFor('accounts', position, 10_000)).toBe(true);
      expect(await leading(second)).toBe(true);
      expect(await readSample(second.database)).toEqual(foldSample(log));
    });

    it('when leaders lose their connections again and again, then each event counts once', async () => {
      const replicas = [await start(), await start()];
      for (let round = 0; round < 4; round += 1) {
        const cutting = cutLeaders();
        await append(30, `account-${round}`);
        await cutting;
        await append(30, `account-${round}`);
        const position = log.at(-1)!.position;
        const reached = async () => {
          const waits = replicas.map(({ runner }) => runner.waitFor('accounts', position, 1_000));
          return (await Promise.all(waits)).every(Boolean);
        };
        let all = false;
        for (let tries = 0; !all && tries < 200; tries += 1) {
          all = await reached();
          if (!all) await sleep(50);
        }
        expect(all).toBe(true);
      }
      expect(await readSample(replicas[0]!.database)).toEqual(foldSample(log));
      const states = await Promise.all(replicas.map((replica) => replica.state()));
      expect(states.map(([projection]) => projection).sort()).toEqual(['running', 'standby']);
    });

    it('when the tables are rebuilt, then the one that stands by is told that they were replaced', async () => {
      const first = await start();
      const second = await start();
      const position = await append(40);
      await second.runner.waitFor('accounts', position, 10_000);
      const { replacements } = second.projection;
      expect(() => second.runner.rebuild('accounts')).toThrow('another process');
      first.runner.rebuild('accounts', { verify: true });
      expect(await first.runner.rebuilt('accounts')).toMatchObject({ state: 'completed', differences: 0 });
      const next = await append(1);
      expect(await second.runner.waitFor('accounts', next, 10_000)).toBe(true);
      expect(second.projection.replacements).toBe(replacements + 1);
    });

    it('given a newer version that stands by, when the old one stops, then it builds its own tables', async () => {
      const old = await start(1);
      const position = await append(10);
      expect(await old.runner.waitFor('accounts', position, 10_000)).toBe(true);
      const newer = await start(2);
      expect(await newer.runner.waitFor('accounts', position, 100)).toBe(false);
      expect((await newer.state())[0]).toBe('starting');
      expect(() => newer.runner.requireReadable('accounts')).toThrow('accounts is being built');
      expect(() => old.runner.requireReadable('accounts')).not.toThrow();
      await stop(old);
      expect(await leading(newer)).toBe(true);
      expect(await newer.runner.waitFor('accounts', position, 10_000)).toBe(true);
    });
  });

const describeOutage = (server: PostgresCluster) =>
  describe('a PostgreSQL server that goes and comes back', () => {
    it('when it crashes under load, then reads are unavailable, and each event counts once afterwards', async () => {
      const store = new InMemoryEventStore();
      const replica = await Replica.start(store, schemaUrl(server.url));
      const log: RecordedEvent[] = [];
      for (let index = 0; index < 200; index += 1) log.push(await appendSample(store, 'account-1', index));
      await replica.runner.waitFor('accounts', 100n, 10_000);
      await server.kill();
      for (let index = 0; index < 50; index += 1) log.push(await appendSample(store, 'account-1', index));
      await expect(readSample(replica.database)).rejects.toMatchObject({ kind: 'unavailable' });
      await expect(replica.database.ready()).rejects.toMatchObject({ kind: 'unavailable' });
      expect(await replica.runner.waitFor('accounts', 250n, 100)).toBe(false);
      await server.restart();
      let reached = false;
      for (let tries = 0; !reached && tries < 300; tries += 1) {
        reached = await replica.runner.waitFor('accounts', 250n, 1_000);
        if (!reached) await sleep(50);
      }
      expect(reached).toBe(true);
      expect(await readSample(replica.database)).toEqual(foldSample(log));
      await replica.stop();
      await store.close();
    });
  });

await onOwnPostgres((server) => {
  describeReplicas(server);
  describeOutage(server);
});
