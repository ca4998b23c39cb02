import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Message } from '#contracts';
import { type RecordedEvent, systemClock, unavailable } from '#kernel';
import { appendSample, InMemoryEventStore, InterruptibleReadDatabase, RecordingLogger } from '#testing';
import { LogFollower } from './log-follower.js';
import { Relay } from './relay.js';
import { SqliteReadDatabase } from './sqlite/sqlite-read-database.js';

let folder: string;
let database: SqliteReadDatabase;
let store: InMemoryEventStore;
let logger: RecordingLogger;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tenantry-follower-'));
  database = SqliteReadDatabase.open(join(folder, 'read.db'));
  store = new InMemoryEventStore();
  logger = new RecordingLogger();
});
afterEach(async () => {
  await store.close();
  await database.close();
  await rm(folder, { recursive: true });
});

const common = () => ({ store, database, clock: systemClock, logger, categories: ['account'] });
const fill = async (count: number) => {
  for (let index = 0; index < count; index += 1) {
    await appendSample(store, `account-${index % 3}`, index);
    await appendSample(store, `other-${index % 3}`, index);
  }
};
const positions = (events: readonly RecordedEvent[]) => events.map((event) => Number(event.position));
const odd = (from: number, to: number) =>
  Array.from({ length: (to - from) / 2 + 1 }, (_, index) => from + 2 * index);

describe('LogFollower', () => {
  const collector = (on = database as SqliteReadDatabase | InterruptibleReadDatabase) => {
    const seen: number[] = [];
    const follower = new LogFollower({
      ...common(),
      database: on,
      name: 'policy',
      handle: async (events) => void seen.push(...positions(events)),
    });
    return { seen, follower };
  };

  it('given a log, when followed, stopped and started again, then it goes on from its checkpoint', async () => {
    await fill(10);
    const first = collector();
    await first.follower.start();
    expect(await first.follower.waitFor(20n, 5_000)).toBe(true);
    expect(await first.follower.status()).toEqual({
      name: 'policy',
      position: 20n,
      lag: 0n,
      state: 'running',
    });
    await first.follower.stop();
    expect(await first.follower.status()).toMatchObject({ state: 'stopped' });
    await fill(5);
    const second = collector();
    await second.follower.start();
    await second.follower.waitFor(30n, 5_000);
    await second.follower.stop();
    expect([first.seen, second.seen]).toEqual([odd(1, 19), odd(21, 29)]);
  });

  it('when the process dies before the checkpoint is saved, then the events come again, in order', async () => {
    await fill(10);
    const dying = new InterruptibleReadDatabase(database);
    const first = collector(dying);
    await first.follower.start();
    await first.follower.waitFor(20n, 5_000);
    dying.kill();
    await first.follower.stop();
    expect(logger.entries.map(({ message }) => message)).toEqual(['follower could not save its position']);
    const second = collector();
    await second.follower.start();
    await second.follower.waitFor(20n, 5_000);
    await second.follower.stop();
    expect(second.seen).toEqual(odd(1, 19));
  });

  it('while handling fails, then the batch comes again and the state tells why; then it goes on', async () => {
    await fill(4);
    const tries: number[][] = [];
    const failed = Promise.withResolvers<void>();
    const proceed = Promise.withResolvers<void>();
    const follower = new LogFollower({
      ...common(),
      name: 'policy',
      maxBatchSize: 4,
      handle: async (events) => {
        tries.push(positions(events));
        if (tries.length === 2) throw unavailable('secret detail');
        if (tries.length !== 3) return;
        failed.resolve();
        await proceed.promise;
      },
    });
    await follower.start();
    await failed.promise;
    expect(await follower.status()).toMatchObject({
      position: 4n,
      state: 'retrying',
      retry: { attempts: 1, error: 'unavailable' },
    });
    proceed.resolve();
    expect(await follower.waitFor(8n, 5_000)).toBe(true);
    expect(await follower.status()).not.toHaveProperty('retry');
    await follower.stop();
    expect(tries).toEqual([
      [1, 3],
      [5, 7],
      [5, 7],
    ]);
    expect(JSON.stringify(logger.entries)).not.toContain('secret detail');
  });

  it('when it follows for more than a second, then its checkpoint is saved while it runs', async () => {
    await fill(2);
    const counting = new InterruptibleReadDatabase(database);
    const { follower } = collector(counting);
    await follower.start();
    await follower.waitFor(4n, 5_000);
    const before = counting.writes;
    for (let tries = 0; counting.writes === before && tries < 500; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    counting.kill();
    await follower.stop();
    const next = collector();
    await next.follower.start();
    await next.follower.waitFor(4n, 5_000);
    await next.follower.stop();
    expect(next.seen).toEqual([]);
  });
});

describe('Relay', () => {
  const message = (event: RecordedEvent): Message<object> => ({
    id: event.id,
    type: 'tenantry.test.v1',
    source: '/tenantry/test',
    subject: event.stream,
    time: event.at,
    correlationId: event.metadata.correlationId,
    causationId: event.id,
    data: { position: Number(event.position) },
  });

  it('when the publisher fails, then messages are published again, by topic and in log order, none left out', async () => {
    await fill(40);
    const published: { topic: string; positions: number[] }[] = [];
    let calls = 0;
    const relay = new Relay({
      ...common(),
      name: 'relay',
      maxBatchSize: 16,
      toMessage: (event) => {
        if (event.position % 5n === 0n) return undefined;
        return { topic: event.position % 3n === 0n ? 'threes' : 'others', message: message(event) };
      },
      publisher: {
        publish: async (topic, messages) => {
          calls += 1;
          if (calls === 2 || calls === 5) throw unavailable('broker');
          published.push({ topic, positions: messages.map((it) => Object(it.data).position) });
        },
      },
    });
    await relay.start();
    expect(await relay.waitFor(80n, 5_000)).toBe(true);
    await relay.stop();
    const wanted = odd(1, 79).filter((position) => position % 5 !== 0);
    for (const topic of ['threes', 'others']) {
      const inOrder = published.filter((it) => it.topic === topic).flatMap((it) => it.positions);
      const first = inOrder.filter((position, index) => inOrder.indexOf(position) === index);
      expect(first).toEqual(wanted.filter((position) => (position % 3 === 0) === (topic === 'threes')));
      expect(inOrder.length).toBeGreaterThanOrEqual(first.length);
    }
    expect(published.some(({ positions: it }) => it.length === 0)).toBe(false);
    expect(logger.entries).toHaveLength(2);
  });
});
