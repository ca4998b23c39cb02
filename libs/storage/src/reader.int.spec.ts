import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { LogFile } from '#worker/event-store';
import { KeyFile } from '#worker/privacy';
import { Reader } from './reader.js';

/** Queries that answer what was replaced, never answer, and end their thread. */
const MODULE = `
  const replaced = [];
  export const queries = async () => ({
    answers: {
      replaced: async () => replaced,
      nothing: () => new Promise(() => undefined),
      crash: async () => { setImmediate(() => { throw new Error('crashed'); }); },
      end: async () => { process.exit(); },
    },
    replaced: (projection) => replaced.push(projection),
  });`;

describe('the thread that reads', () => {
  let folder: string;
  let reader: Reader;
  let failures: string[];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tenantry-reader-'));
    const keys = join(folder, 'keys.db');
    new KeyFile(keys).close();
    const log = join(folder, 'log.db');
    new LogFile(log).close();
    failures = [];
    const modules = [`data:text/javascript,${encodeURIComponent(MODULE)}`];
    reader = new Reader({ folder, keys, log, masterKey: new Uint8Array(32), modules }, ({ message }) =>
      failures.push(message),
    );
    reader.replaced('users');
  });
  afterEach(async () => {
    await reader.close();
    rmSync(folder, { recursive: true });
  });

  const replaced = () => reader.ask('anyone', 'replaced', []);

  it.each([
    ['crash', ['crashed']],
    ['end', []],
  ])('given that it ends by %s, then what waited is refused, and another one goes on', async (how, told) => {
    expect(await replaced()).toEqual(['users']);
    const waiting = reader.ask('anyone', 'nothing', []);
    reader.ask('anyone', how, []).catch(() => undefined);
    await expect(waiting).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(replaced()).rejects.toMatchObject({ kind: 'unavailable' });
    reader.replaced('keys');
    for (;;) {
      const answer = await replaced().catch(() => undefined);
      if (answer) {
        expect(answer).toEqual(['users', 'keys']);
        break;
      }
      await delay(10);
    }
    expect(failures).toEqual(told);
  });

  it('given one group with more questions than the thread may have, then the others are answered', async () => {
    const loud = Array.from({ length: 20 }, () => reader.ask('loud', 'nothing', []).catch(() => 'refused'));
    expect(await reader.ask('quiet', 'replaced', [])).toEqual(['users']);
    reader.ask('quiet', 'end', []).catch(() => undefined);
    expect(new Set(await Promise.all(loud))).toEqual(new Set(['refused']));
  });

  it('given that it has ended, when it is closed, then none takes its place', async () => {
    await expect(reader.ask('anyone', 'end', [])).rejects.toMatchObject({ kind: 'unavailable' });
    await reader.close();
    await expect(replaced()).rejects.toMatchObject({ kind: 'unavailable' });
  });
});
