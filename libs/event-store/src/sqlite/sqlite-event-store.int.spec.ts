import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { isTenantryError, type JsonObject, type NewEvent, newId } from '#kernel';
import { logWriter, Storage } from '#storage';
import { describeEventStore, openEmbeddedLog } from '#testing';
import type { Batch } from '../event-store.js';
import { SqliteEventStore } from './sqlite-event-store.js';

const makeFolder = (): string => mkdtempSync(join(tmpdir(), 'tenantry-log-'));
const removeFolder = (folder: string): void => rmSync(folder, { recursive: true });

const harnessOf = (positions?: { divisor: number; remainder: number }) => async () => {
  const folder = makeFolder();
  const file = join(folder, 'log.sqlite');
  const harness = {
    store: await openEmbeddedLog(file, positions),
    reopen: async () => {
      await harness.store.close();
      harness.store = await openEmbeddedLog(file, positions);
      return harness.store;
    },
    dispose: async () => {
      await harness.store.close();
      removeFolder(folder);
    },
  };
  return harness;
};

describeEventStore('SQLite', harnessOf());
describeEventStore('SQLite, one log of several', harnessOf({ divisor: 8, remainder: 3 }), {
  'gap-free positions': 'those between are for the other logs',
});

const reasonOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

const newEvent = (): NewEvent => ({
  id: newId(),
  type: 'test.happened.v1',
  at: new Date().toISOString(),
  data: {},
  metadata: {
    platformId: null,
    tenantId: null,
    actor: { type: 'system', id: 'test' },
    correlationId: '',
    causationId: '',
  },
});

describe('the log in SQLite', () => {
  let folder: string;
  let file: string;
  const opened: SqliteEventStore[] = [];
  const children: ChildProcess[] = [];
  const open = async (): Promise<SqliteEventStore> => {
    const store = await openEmbeddedLog(file);
    opened.push(store);
    return store;
  };

  beforeEach(() => {
    folder = makeFolder();
    file = join(folder, 'log.sqlite');
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    for (const store of opened.splice(0)) await store.close();
    removeFolder(folder);
  });

  /** Another process that appends without end, in files of at most `maxFileBlocks` blocks of 512 bytes. */
  function startLoad(maxFileBlocks = 'unlimited') {
    const script = fileURLToPath(new URL('./fixtures/append-load.mjs', import.meta.url));
    const limit = `ulimit -f ${maxFileBlocks}; exec "$@"`;
    const node = [process.execPath, script, file];
    const child = spawn('sh', ['-c', limit, 'sh', ...node], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    const stored = () => [...output.matchAll(/^stored (.+)\n/gm)].map(([, stream]) => stream as string);
    const storedAtLeast = async (count: number) => {
      while (stored().length < count) await once(child.stdout, 'data');
    };
    return { child, exited: once(child, 'close'), stored, storedAtLeast, output: () => output };
  }

  /** Every acknowledged append is there, no append is there in part, and positions have no gap. */
  async function checkAgainst(acknowledged: string[]): Promise<void> {
    const store = await open();
    for (const stream of acknowledged) expect(await store.read(stream)).toHaveLength(3);
    await store.close();
    const database = new DatabaseSync(file, { readOnly: true });
    const parts = 'SELECT stream FROM events GROUP BY stream HAVING count(*) <> 3';
    const gaps = 'SELECT count(*) - coalesce(max(position), 0) AS gaps FROM events';
    expect(database.prepare(parts).all()).toEqual([]);
    expect(database.prepare(gaps).get()?.gaps).toBe(0);
    database.close();
  }

  it('given it is open in this process, when it is opened again, then that is refused', async () => {
    const store = await open();
    await expect(openEmbeddedLog(file)).rejects.toThrow('already open for writing');
    await store.close();
    await open();
  });

  it('given it is open here, when another process opens it, then that is refused until it is closed', async () => {
    const store = await open();
    const refused = startLoad();
    await refused.exited;
    expect(refused.output()).toMatch(/^refused the event log is already open for writing/);
    await store.close();
    await startLoad().storedAtLeast(1);
  });

  it.each([1, 40, 400, 2_000])(
    'given kill -9 after %d acknowledged appends, then all of them are there and none in part',
    async (count) => {
      const load = startLoad();
      await load.storedAtLeast(count);
      load.child.kill('SIGKILL');
      await load.exited;
      await checkAgainst(load.stored());
    },
  );

  it('given a write that fails, then the log stops for good, and what it had acknowledged is there', async () => {
    const load = startLoad('600');
    await load.exited;
    expect(load.stored().length).toBeGreaterThan(0);
    expect(load.output()).toMatch(/\nappend unavailable\nready unavailable\nclose none\n$/);
    await checkAgainst(load.stored());
  });

  it('given its writer thread dies, then appends under way and later ones are refused, and reads go on', async () => {
    const storage = await Storage.open({
      masterKey: new Uint8Array(32),
      log: { file, positions: undefined },
    });
    const store = new SqliteEventStore(file, logWriter(storage));
    await store.append('test-kept', 'no_stream', [newEvent()]);
    const appends = Array.from({ length: 50 }, (_, n) =>
      store.append(`test-${n}`, 'no_stream', [newEvent()]),
    );
    const settled = Promise.allSettled([...appends]);
    await (storage as unknown as { worker: Worker }).worker.terminate();
    const lost = (await settled).filter(({ status }) => status === 'rejected');
    expect(lost.length).toBeGreaterThan(0);
    for (const refusal of [store.append('test-late', 'no_stream', [newEvent()]), store.ready()]) {
      await expect(refusal).rejects.toMatchObject({ kind: 'unavailable' });
    }
    expect(await store.read('test-kept')).toHaveLength(1);
    await store.close();
  });

  it('given more appends than may wait, then those beyond are refused and the others stored', async () => {
    const store = await open();
    const appends = Array.from({ length: 10_005 }, (_, n) =>
      store.append(`test-${n}`, 'no_stream', [newEvent()]),
    );
    const outcomes = await Promise.allSettled(appends);
    const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
    expect(refused.map((error) => isTenantryError(error) && error.kind)).toEqual(
      Array(5).fill('unavailable'),
    );
    expect(await store.head()).toBe(10_000n);
    await store.ready();
  });

  it('given appends that wait, when it is closed, then all of them are stored first', async () => {
    const store = await open();
    const appends = Array.from({ length: 3_000 }, (_, n) =>
      store.append(`test-${n}`, 'no_stream', [newEvent()]),
    );
    await Promise.all([store.close(), ...appends]);
    expect(await (await open()).head()).toBe(3_000n);
  });

  it('given a schema of a newer version, then it is not opened, and told so', async () => {
    await (await open()).close();
    const database = new DatabaseSync(file);
    database.exec('PRAGMA user_version = 99');
    database.close();
    await expect(openEmbeddedLog(file)).rejects.toThrow('the log has schema 99');
  });

  it('given a position beyond the end, then a subscription from it is refused', async () => {
    const store = await open();
    expect(() => store.subscribe({ after: 1n }, async () => undefined)).toThrow('beyond the end of the log');
  });

  it('given thousands of foreign events in the file, then a subscriber gets one empty batch for them', async () => {
    const foreign = Array.from({ length: 9_000 }, newEvent);
    await (await open()).append('foreign-1', 'no_stream', foreign);
    await opened.pop()?.close();
    const batches: Batch[] = [];
    const arrived = Promise.withResolvers<void>();
    (await open()).subscribe({ after: 0n, categories: ['test'] }, async (batch) => {
      batches.push(batch);
      arrived.resolve();
    });
    await arrived.promise;
    expect(batches).toEqual([{ events: [], position: 9_000n }]);
  });

  it('given the file cannot be read any more, then the log stops and tells so', async () => {
    await (await open()).append('test-1', 'no_stream', [newEvent()]);
    await opened.pop()?.close();
    const database = new DatabaseSync(file);
    database.exec("UPDATE events SET data = '{'");
    database.close();
    const store = await open();
    const subscription = store.subscribe({ after: 0n }, async () => undefined);
    while ((await reasonOf(store.ready())) === undefined) await nextTurn();
    await expect(store.ready()).rejects.toMatchObject({ kind: 'unavailable' });
    await subscription.close();
  });

  it('given data nested thousands of levels deep, then the append is refused', async () => {
    let data: JsonObject = {};
    for (let level = 0; level < 100_000; level++) data = { data };
    const append = (await open()).append('test-1', 'no_stream', [{ ...newEvent(), data }]);
    await expect(append).rejects.toMatchObject({ kind: 'invalid_input' });
  });

  it('given a name that is not a category and an id, then the append is refused', async () => {
    const store = await open();
    for (const stream of ['test', '-1', 'test-', 'test-\ud800', 'test-\u0000', 'tést-1']) {
      await expect(store.append(stream, 'no_stream', [newEvent()])).rejects.toMatchObject({
        kind: 'invalid_input',
      });
    }
  });

  it('given it was closed, then the file alone holds the log', async () => {
    const store = await open();
    await store.append('test-1', 'no_stream', [newEvent()]);
    await store.close();
    expect(existsSync(`${file}-wal`)).toBe(false);
  });
});
