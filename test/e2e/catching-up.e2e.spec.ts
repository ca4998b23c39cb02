import { describe, expect, it } from '@jest/globals';
import { ON_SQLITE_LOG, writeLongHistory } from '../../libs/testing/src/long-history.js';
import { startService } from '../../libs/testing/src/service-process.js';
import { eventually, temporaryDataDir } from './support.js';

const EVENTS = 25_000;
const EVENT_BYTES = 8_000;
/** The events alone are 200 MB: a process that held them, or half of them, would run out of this and end. */
const HEAP_MEGABYTES = 128;

interface Health {
  parts: { name: string }[];
  projections: { name: string; position: string; lag: number }[];
}

describe('a service with a long log and no read models', () => {
  it('when it starts, then it catches up, and so does its relay, in a heap that does not hold the log', async () => {
    const dataDir = temporaryDataDir();
    await writeLongHistory(dataDir, { events: EVENTS, users: 50, eventBytes: EVENT_BYTES });
    const service = await startService({
      dataDir,
      env: { ...ON_SQLITE_LOG, NODE_OPTIONS: `--max-old-space-size=${HEAP_MEGABYTES}` },
    });
    const health = async () => (await service.request<Health>('GET', '/health/ready', { key: null })).body;
    const { projections } = await eventually(
      health,
      (body) => body.projections.every(({ lag }) => lag === 0),
      200_000,
    );
    const names = projections.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['user-directory', 'budgets', 'lifecycle-relay']));
    for (const { lag, position } of projections) {
      expect([lag, Number(position) > EVENTS]).toEqual([0, true]);
    }
    expect((await service.stop()).code).toBe(0);
  }, 300_000);
});
