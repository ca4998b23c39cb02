import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { isTenantryError, type JsonObject, type NewEvent, newId } from '#kernel';
import { EventStoreStandIn, RecordingLogger } from '#testing';
import { type Batch, RevisionConflict } from '../event-store.js';
import { EventStoreDb } from './event-store-db.js';

const QUICK = { answerTimeoutMs: 300, retryForMs: 10_000 };

const newEvent = (data: JsonObject = {}): NewEvent => ({
  id: newId(),
  type: 'test.happened.v1',
  at: '2026-01-15T10:00:00.000Z',
  data,
  metadata: {
    platformId: null,
    tenantId: null,
    actor: { type: 'system', id: 'test' },
    correlationId: '',
    causationId: '',
  },
});

const reasonOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 20_000; !holds(); await sleep(5)) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
  }
}

// The scripted gRPC peer plays what a real server does rarely; no real one takes part here.
describe('the adapter of EventStoreDB against a stand-in that fails', () => {
  let standIn: EventStoreStandIn;
  let logger: RecordingLogger;
  const stores: EventStoreDb[] = [];
  const servers: EventStoreStandIn[] = [];

  const startServer = async (options: Parameters<typeof EventStoreStandIn.start>[0] = {}) => {
    standIn = await EventStoreStandIn.start(options);
    servers.push(standIn);
    return standIn;
  };
  const open = async (options = {}): Promise<EventStoreDb> => {
    const store = await EventStoreDb.open(standIn.url, { logger, ...QUICK, ...options });
    stores.push(store);
    return store;
  };
  const stored = (stream: string) => standIn.log.stream(stream).map(({ id }) => id);

  beforeEach(async () => {
    logger = new RecordingLogger();
    await startServer();
  });
  afterEach(async () => {
    for (const store of stores.splice(0)) await store.close();
    for (const server of servers.splice(0)) server.kill();
  });

  describe('appends', () => {
    it('given an answer that never comes, then the same batch is sent again and stored once', async () => {
      const store = await open();
      const events = [newEvent(), newEvent()];
      standIn.failAppends({ kind: 'swallow answer' });
      const result = await store.append('test-1', 'no_stream', events);
      expect(standIn.appendsSeen).toBe(2);
      expect(stored('test-1')).toEqual(events.map(({ id }) => id));
      expect(result.revision).toBe(1);
      expect(result.position).toBe(standIn.log.events.at(-1)?.position);
    });

    it('given silence while others append, then none of them is lost or doubled', async () => {
      const store = await open();
      standIn.failAppends({ kind: 'ignore' }, { kind: 'swallow answer' }, { kind: 'store and break' });
      const streams = Array.from({ length: 30 }, (_, index) => `test-${index}`);
      await Promise.all(streams.map((stream) => store.append(stream, 'no_stream', [newEvent()])));
      expect(streams.map((stream) => stored(stream).length)).toEqual(streams.map(() => 1));
    });

    it.each([
      { kind: 'store and break' } as const,
      { kind: 'not handled', message: 'Server Is Not Ready' } as const,
      { kind: 'not handled', message: 'No leader info available in response' } as const,
    ])('given $kind $message, then the append is tried again and succeeds', async (fault) => {
      const store = await open();
      standIn.failAppends(fault, fault);
      await store.append('test-1', 'no_stream', [newEvent()]);
      expect(stored('test-1')).toHaveLength(1);
    });

    it('given a follower that names the leader, then the append goes there', async () => {
      const follower = standIn;
      const leader = await startServer({ log: follower.log });
      standIn = follower;
      const store = await open();
      follower.failAppends({ kind: 'not leader', host: '127.0.0.1', port: leader.port });
      await store.append('test-1', 'no_stream', [newEvent()]);
      expect([follower.appendsSeen, leader.appendsSeen]).toEqual([1, 1]);
      expect(stored('test-1')).toHaveLength(1);
    });

    it('given an answer that was lost and another writer who came next, then it is a success', async () => {
      const [store, other] = [await open(), await open()];
      standIn.failAppends({ kind: 'swallow answer' });
      const append = store.append('test-1', 'no_stream', [newEvent()]);
      await until('it is stored', () => stored('test-1').length === 1);
      await other.append('test-1', 0, [newEvent()]);
      expect((await append).revision).toBe(0);
    });

    it('given another writer who came first, then it is a conflict that tells where the stream is', async () => {
      const [store, other] = [await open(), await open()];
      await other.append('test-1', 'no_stream', [newEvent(), newEvent()]);
      standIn.failAppends({ kind: 'ignore' });
      const error = await reasonOf(store.append('test-1', 'no_stream', [newEvent()]));
      expect(error).toBeInstanceOf(RevisionConflict);
      expect(error).toMatchObject({ stream: 'test-1', expected: 'no_stream', actual: 1 });
    });

    it('given a server that never answers, then it is unavailable in the end', async () => {
      const store = await open({ retryForMs: 500 });
      standIn.freeze();
      const error = await reasonOf(store.append('test-1', 'no_stream', [newEvent()]));
      expect(isTenantryError(error) && error.kind).toBe('unavailable');
      const unread = await reasonOf(store.read('test-1'));
      expect(isTenantryError(unread) && unread.kind).toBe('unavailable');
    });

    it('given a server that is killed and comes back, then what was under way is stored once', async () => {
      const store = await open({ retryForMs: 20_000 });
      const { port, log } = standIn;
      await store.append('test-0', 'no_stream', [newEvent()]);
      standIn.kill();
      const streams = Array.from({ length: 100 }, (_, index) => `test-${index + 1}`);
      const appends = streams.map((stream) => store.append(stream, 'no_stream', [newEvent({ stream })]));
      await sleep(300);
      await startServer({ port, log });
      await Promise.all(appends);
      expect(streams.map((stream) => stored(stream).length)).toEqual(streams.map(() => 1));
    });

    it('given a BigInt in the data, then the append is refused and not left pending', async () => {
      const store = await open();
      const event = newEvent({ count: 1n as never });
      await expect(store.append('test-1', 'no_stream', [event])).rejects.toThrow(TypeError);
    });
  });

  describe('readiness', () => {
    it('given a server that answers, then it is ready; given silence or none, then it is not', async () => {
      const store = await open();
      await store.ready();
      expect(standIn.log.events).toEqual([]);
      standIn.failAppends({ kind: 'not handled', message: 'No leader info available in response' });
      await expect(store.ready()).rejects.toMatchObject({ kind: 'unavailable' });
      await store.ready();
      standIn.freeze();
      await expect(store.ready()).rejects.toMatchObject({ kind: 'unavailable' });
      const { port, log } = standIn;
      standIn.kill();
      await expect(store.ready()).rejects.toMatchObject({ kind: 'unavailable' });
      await startServer({ port, log });
      for (;;) if ((await reasonOf(store.ready())) === undefined) break;
    });

    it('given no server at the start, then it is waited for', async () => {
      const { port, log } = standIn;
      standIn.kill();
      const opening = open();
      await until('it was told', () => logger.entries.length > 1);
      await startServer({ port, log });
      await (await opening).ready();
    });
  });

  describe('subscriptions', () => {
    const ids = (batches: Batch[]): string[] => batches.flatMap(({ events }) => events.map(({ id }) => id));

    const appendMany = async (store: EventStoreDb, count: number): Promise<bigint> => {
      const appends = Array.from({ length: count }, () =>
        store.append(`test-${newId()}`, 'no_stream', [newEvent()]),
      );
      await Promise.all(appends);
      return standIn.log.events.at(-1)?.position ?? 0n;
    };
    /** Events that were in the log before anybody came. */
    const fill = (count: number, category = 'test'): void => {
      for (let number = 0; number < count; number++) {
        const { id, type, metadata, at } = newEvent();
        const content = { data: { text: 'x'.repeat(1_000) }, metadata: { at, ...metadata } };
        const [data, custom] = [content.data, content.metadata].map((it) => Buffer.from(JSON.stringify(it)));
        const event = { id, type, contentType: 'application/json', data: data!, metadata: custom! };
        standIn.log.append(`${category}-${id}`, -1, [event]);
      }
    };
    const end = (): bigint => standIn.log.events.at(-1)?.position ?? 0n;
    const collect = (store: EventStoreDb) => {
      const batches: Batch[] = [];
      const options = { after: 0n, categories: ['test'], maxBatchSize: 50 };
      store.subscribe(options, async (batch) => {
        batches.push(batch);
      });
      const passed = (position: bigint) =>
        until(`${position} is passed`, () => (batches.at(-1)?.position ?? 0n) >= position);
      return { batches, passed };
    };

    it.each(['error', 'end', 'silence'] as const)(
      'given live streams that are dropped by %s, then each goes on, and nothing is lost or doubled',
      async (how) => {
        const store = await open();
        const { batches, passed } = collect(store);
        await passed(await appendMany(store, 20));
        for (let round = 0; round < 3; round++) {
          standIn.dropReads(how);
          await passed(await appendMany(store, 20));
        }
        expect(ids(batches)).toEqual(standIn.log.events.map(({ id }) => id));
      },
    );

    it.each(['error', 'end'] as const)(
      'given streams that catch up and are dropped by %s, then they go on where they stood',
      async (how) => {
        fill(3_000);
        const store = await open();
        const batches: Batch[] = [];
        let dropped = 0;
        store.subscribe({ after: 0n, categories: ['test'], maxBatchSize: 50 }, async (batch) => {
          batches.push(batch);
          if (batches.length % 10 === 0 && dropped++ < 3) standIn.dropReads(how);
        });
        await until('it has caught up', () => (batches.at(-1)?.position ?? 0n) >= end());
        expect(dropped).toBeGreaterThanOrEqual(3);
        expect(ids(batches)).toEqual(standIn.log.events.map(({ id }) => id));
      },
    );

    it('given a server that is killed and comes back, then a subscription does too', async () => {
      const store = await open();
      const { batches, passed } = collect(store);
      await passed(await appendMany(store, 5));
      const { port, log } = standIn;
      standIn.kill();
      await sleep(200);
      await startServer({ port, log });
      await passed(await appendMany(store, 5));
      expect(ids(batches)).toEqual(log.events.map(({ id }) => id));
    });

    it('given a handler that stands still, then the server is not read on beyond a bound', async () => {
      fill(4_000);
      const store = await open();
      await until('the feed has come to the end', () => standIn.answersWritten >= 1_000);
      const gate = Promise.withResolvers<void>();
      let handed = 0;
      store.subscribe({ after: 0n, categories: ['test'], maxBatchSize: 10 }, async ({ events }) => {
        handed += events.length;
        await gate.promise;
      });
      await until('the first batch is there', () => handed > 0);
      let before = -1;
      while (before !== standIn.answersWritten) {
        before = standIn.answersWritten;
        await sleep(200);
      }
      // Of 4,000 events of 1.2 kB, what the windows of HTTP/2 take is sent ahead.
      expect(handed).toBeLessThanOrEqual(10);
      expect(standIn.answersWritten).toBeLessThan(3_000 + 1_100);
      gate.resolve();
      await until('it has caught up', () => handed === 4_000);
    });

    it('given rare events among foreign ones, then a new subscription comes to the end all the same', async () => {
      fill(700);
      fill(1, 'rare');
      fill(1_500);
      const store = await open();
      const batches: Batch[] = [];
      store.subscribe({ after: 0n, categories: ['rare', 'none'] }, async (batch) => {
        batches.push(batch);
      });
      await until('it is at the end', () => (batches.at(-1)?.position ?? 0n) >= end());
      expect(ids(batches)).toHaveLength(1);
    });
  });

  it('given events of others on the server, then they are passed over', async () => {
    const store = await open();
    const foreign = { id: newId(), type: 'Foreign', contentType: 'application/octet-stream' };
    const bytes = [Buffer.from([1, 2]), Buffer.from('null')] as const;
    for (const metadata of bytes)
      standIn.log.append(`test-${metadata}`, -1, [{ ...foreign, data: bytes[0], metadata }]);
    const batches: Batch[] = [];
    store.subscribe({ after: 0n, categories: ['test'] }, async (batch) => {
      batches.push(batch);
    });
    const { position } = await store.append('test-1', 'no_stream', [newEvent()]);
    await until('it is passed', () => (batches.at(-1)?.position ?? 0n) >= position);
    expect(batches.flatMap(({ events }) => events)).toMatchObject([{ stream: 'test-1' }]);
  });

  it('given a prefix, then streams of other prefixes are neither read nor handed over, but passed', async () => {
    const [one, other] = [await open({ streamPrefix: 'one_' }), await open({ streamPrefix: 'other_' })];
    const batches: Batch[] = [];
    one.subscribe({ after: 0n }, async (batch) => {
      batches.push(batch);
    });
    await one.append('test-1', 'no_stream', [newEvent()]);
    const { position } = await other.append('test-1', 'no_stream', [newEvent(), newEvent()]);
    expect(await one.read('test-1')).toHaveLength(1);
    expect(await one.head()).toBe(position);
    await until('it is passed', () => (batches.at(-1)?.position ?? 0n) >= position);
    expect(batches.flatMap(({ events }) => events)).toMatchObject([{ stream: 'test-1', revision: 0 }]);
  });
});
