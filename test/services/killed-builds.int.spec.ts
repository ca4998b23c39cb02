import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Storage } from '#storage';
import { openEmbeddedLog, sampleEvent } from '#testing';
import { until } from './budgets-app.js';

type Round = Parameters<Parameters<Storage['onRound']>[0]>[0];

const EVENTS = 24_000;
const AT_ONCE = 400;
const HELD_FROM = 10_000;

describe('the first tables of a projection on a long log', () => {
  let folder: string;
  let storage: Storage;
  let last: Partial<Round['moves'][number]>;
  let rebuild: Partial<Round['rebuilds'][number]>;
  const masterKey = randomBytes(32);
  const hold = () => join(folder, 'hold');
  const files = () =>
    readdirSync(join(folder, 'read')).filter((name) => name.startsWith('counted') && name.endsWith('.db'));

  const follow = async () => {
    const module = new URL('counting-projection.worker.mjs', import.meta.url);
    module.search = new URLSearchParams({ from: String(HELD_FROM), while: hold() }).toString();
    const [log, keys, read] = ['log.db', 'keys.db', 'read'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    storage = await Storage.open({
      masterKey,
      log: { file: log, positions: undefined },
      keys,
      read,
    });
    [last, rebuild] = [{}, {}];
    storage.onRound(({ moves, rebuilds }) => {
      last = moves.at(-1) ?? last;
      rebuild = rebuilds.at(-1) ?? rebuild;
    });
    await storage.ask('follow', { modules: [module.href] });
  };
  const heldInTheMiddle = () => until(async () => (last.position ?? 0n) > 8_000n || undefined);
  const isBuilt = () =>
    until(async () => (last.state === 'running' && rebuild.state === 'completed') || undefined);
  const runs = () => {
    const file = new DatabaseSync(join(folder, 'read', files().at(-1) ?? ''), { readOnly: true });
    const sql = `select count(*) as events, count(distinct position) as positions, min(position) as first, thread
      from applied group by run order by run`;
    const rows = file.prepare(sql).all();
    file.close();
    return rows.map((row) => ({ ...row }));
  };

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tenantry-builds-'));
    const log = await openEmbeddedLog(join(folder, 'log.db'));
    for (let at = 0; at < EVENTS; at += AT_ONCE) {
      const events = Array.from({ length: AT_ONCE }, (_, index) => sampleEvent(at + index));
      await log.append(`counted-${at}`, 'no_stream', events);
    }
    await log.close();
    writeFileSync(hold(), '');
  }, 60_000);
  afterEach(async () => {
    await storage.close().catch(() => undefined);
    rmSync(folder, { recursive: true });
  });

  it('when it is killed, then the next start goes on where it was, in a thread of its own', async () => {
    await follow();
    await heldInTheMiddle();
    expect(files()).toEqual(['counted.building.db', 'counted.db']);
    // Ends the threads as they are.
    storage.fail(new Error('killed'));
    await storage.close();
    rmSync(hold());
    await follow();
    await isBuilt();
    expect(files()).toEqual(['counted.1.db']);
    const [first, second, ...others] = runs();
    expect(others).toEqual([]);
    expect([first, second]).toMatchObject([{ first: 1, thread: 'build' }, { thread: 'build' }]);
    expect(Number(first?.events)).toBeGreaterThan(8_000);
    expect(Number(first?.events) + Number(second?.events)).toBe(EVENTS);
    expect(rebuild).toMatchObject({ state: 'completed', eventsDone: second?.events });
  }, 60_000);

  it('given a rebuild that was just asked for, when it is killed, then the next start makes and compares it', async () => {
    rmSync(hold());
    await follow();
    await isBuilt();
    await storage.ask('rebuild', { name: 'counted', verify: true });
    storage.fail(new Error('killed'));
    await storage.close();
    await follow();
    await isBuilt();
    // Its rows tell which run applied them, so that they differ.
    expect(rebuild).toMatchObject({ state: 'completed', differences: expect.any(Number) });
    expect(files()).toEqual(['counted.2.db']);
  }, 60_000);
});
