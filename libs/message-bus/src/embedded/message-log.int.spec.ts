import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Message } from '#contracts';
import { messageWriter, Storage } from '#storage';
import { openEmbeddedBus } from '#testing';
import type { EmbeddedBus } from './embedded-bus.js';
import { MessageLog } from './message-log.js';

const HOUR_MS = 3_600_000;
const message = (number: number, type = 'a'): Message<object> => ({
  id: String(number),
  type,
  source: '/test',
  subject: 'subject',
  time: '2026-01-15T10:00:00.000Z',
  correlationId: 'correlation',
  causationId: 'cause',
  data: { number },
});
const messages = (count: number, type?: string) =>
  Array.from({ length: count }, (_, index) => message(index, type));

describe('the message log', () => {
  let folder: string;
  let file: string;
  let storage: Storage;
  let log: MessageLog;
  let nowMs = Date.UTC(2026, 0, 15);
  const clock = { now: () => new Date(nowMs) };
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tenantry-log-'));
    file = join(folder, 'bus.sqlite');
    await open();
  });
  const open = async () => {
    storage = await Storage.open({ masterKey: new Uint8Array(32), bus: file });
    log = new MessageLog(file, messageWriter(storage), clock);
  };
  const close = async () => {
    log.close();
    await storage.close();
  };
  afterEach(async () => {
    await close().catch(() => undefined);
    await rm(folder, { recursive: true });
  });
  const look = (sql: string) => {
    const database = new DatabaseSync(file, { readOnly: true });
    const rows = database.prepare(sql).all();
    database.close();
    return rows;
  };

  it('given appends at once, then each topic counts from 1 without a gap, and a reopened log goes on', async () => {
    await Promise.all([
      log.append('x', messages(3)),
      log.append('y', messages(2)),
      log.append('x', messages(1)),
    ]);
    await close();
    await open();
    await log.append('x', messages(1));
    expect([log.head('x'), log.head('y'), log.head('z')]).toEqual([5, 2, 0]);
    expect(log.reader('x', ['a']).read(0).offsets).toEqual([1, 2, 3, 4, 5]);
  });

  it('given 10,000 writes that wait, then the next is refused at once, and all of those are stored', async () => {
    const waiting = Array.from({ length: 10_000 }, () => log.append('x', messages(1)));
    await expect(log.append('x', messages(1))).rejects.toMatchObject({ code: 'unavailable' });
    await Promise.all(waiting);
    await log.append('x', messages(1));
    expect(log.head('x')).toBe(10_001);
  });

  it('given other types between, then a read passes over them within its bounds', async () => {
    await log.append('x', [...messages(5_000, 'b'), message(1), message(2)]);
    const reader = log.reader('x', ['a']);
    const [first, second] = [reader.read(0), reader.read(4_096)];
    expect([first.upTo, first.messages]).toEqual([2_048, []]);
    expect([second.upTo, second.offsets]).toEqual([5_002, [5_001, 5_002]]);
    expect(log.reader('x', []).read(0)).toEqual({ messages: [], offsets: [], upTo: 5_002 });
    expect(log.reader('x', ['b']).read(0).upTo).toBe(256);
  });

  it('given an older offset saved late, then the offset does not move back', async () => {
    await log.saveOffset('group', 'x', 9);
    await log.saveOffset('group', 'x', 4);
    expect([log.savedOffset('group', 'x'), log.savedOffset('other', 'x')]).toEqual([9, 0]);
  });

  it('given old messages, then only those that every group is past are deleted', async () => {
    await log.append('x', messages(1_500));
    await log.append('nobody', messages(10));
    await log.saveOffset('fast', 'x', 1_500);
    await log.saveOffset('slow', 'x', 700);
    nowMs += 25 * HOUR_MS;
    await log.append('x', messages(1_000));
    await log.append('nobody', messages(1_000));
    const kept = look('select topic, min(offset) as first, count(*) as count from message group by topic');
    expect(kept.map((row) => ({ ...row }))).toEqual([
      { topic: 'nobody', first: 1, count: 1_010 },
      { topic: 'x', first: 701, count: 1_800 },
    ]);
  });

  it('given young messages, then they are kept although every group is past them', async () => {
    await log.append('x', messages(1_500));
    await log.saveOffset('fast', 'x', 1_500);
    nowMs += 23 * HOUR_MS;
    await log.append('x', messages(1_000));
    expect(look('select count(*) as count from message')[0]?.count).toBe(2_500);
  });

  it('given a log that has been closed, then appending is refused as unavailable', async () => {
    await storage.close();
    await expect(log.append('x', messages(1))).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(log.ready()).rejects.toMatchObject({ kind: 'unavailable' });
  });

  it('given a store that refuses the write, then the publisher learns it and the next write works', async () => {
    const database = new DatabaseSync(file);
    database.exec("create trigger full before insert on message begin select raise(abort, 'full'); end");
    await expect(log.append('x', messages(1))).rejects.toMatchObject({ kind: 'unavailable' });
    database.exec('drop trigger full');
    database.close();
    await log.append('x', messages(1));
    expect([log.head('x'), log.reader('x', ['a']).read(0).offsets]).toEqual([1, [1]]);
  });
});

describe('the embedded bus', () => {
  let folder: string;
  let file: string;
  let bus: EmbeddedBus;
  const options = { group: 'keys', topics: ['x'], transportId: Symbol('keys') };
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tenantry-bus-'));
    file = join(folder, 'bus.sqlite');
    bus = await openEmbeddedBus(file);
  });
  afterEach(async () => {
    await bus.close();
    await rm(folder, { recursive: true });
  });

  it('given a group that is consumed, then a second server for it is refused', () => {
    bus.consumer(options);
    expect(() => bus.consumer(options)).toThrow('keys');
  });

  it('given messages that nobody handles, then closing the server has saved that they are passed', async () => {
    const server = bus.consumer(options);
    await new Promise((resolve) => server.listen(resolve));
    for (let round = 0; round < 5; round++) {
      await bus.publish('x', messages(1));
      await new Promise(setImmediate);
    }
    await server.close();
    const database = new DatabaseSync(file, { readOnly: true });
    expect(database.prepare('select offset from consumer').get()?.offset).toBe(5);
    database.close();
    expect(await server.statuses()).toEqual([
      { group: 'keys', topic: 'x', lag: 0, deadLettered: 0, state: 'stopped' },
    ]);
  });
});
