import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { RecordedEvent } from '#kernel';
import { RecentEvents } from './recent-events.js';

const eventAt = (position: number): RecordedEvent => ({
  position: BigInt(position),
  stream: position % 3 === 0 ? 'rare-1' : 'frequent-1',
  revision: 0,
  id: String(position),
  type: 'test.happened.v1',
  at: '2026-01-01T00:00:00.000Z',
  data: {},
  metadata: {
    platformId: null,
    tenantId: null,
    actor: { type: 'system', id: 'test' },
    correlationId: '',
    causationId: '',
  },
});

describe('the recent events', () => {
  it('given commits of any size, then a scan answers what the log holds, or nothing when it is too far behind', () => {
    const commits = fc.array(fc.integer({ min: 0, max: 1_500 }), { minLength: 1, maxLength: 12 });
    const scan = fc.record({
      back: fc.nat(6_000),
      limit: fc.integer({ min: 1, max: 600 }),
      isFiltered: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.nat(1_000), commits, scan, (start, sizes, { back, limit, isFiltered }) => {
        const recent = new RecentEvents(start);
        for (const size of sizes) {
          const first = recent.head + 1;
          recent.add(
            Array.from({ length: size }, (_, index) => eventAt(first + index)),
            size * 100,
          );
        }
        const head = start + sizes.reduce((sum, size) => sum + size, 0);
        expect(recent.head).toBe(head);
        const after = Math.max(0, head - back);
        const categories = isFiltered ? new Set(['rare']) : undefined;
        const found = recent.scan({ after, head, limit, categories });
        if (back <= Math.min(2_048, head - start)) expect(found).toBeDefined();
        if (after < start) expect(found).toBeUndefined();
        if (!found) return;
        const passed = Array.from({ length: found.position - after }, (_, index) =>
          eventAt(after + index + 1),
        );
        expect(found.events).toEqual(
          isFiltered ? passed.filter(({ stream }) => stream === 'rare-1') : passed,
        );
        expect(found.position > after || after === head).toBe(true);
        expect(found.events.length).toBeLessThanOrEqual(limit);
      }),
    );
  });

  it('given large events, then few are held', () => {
    const recent = new RecentEvents(0);
    for (let position = 1; position <= 100; position++) recent.add([eventAt(position)], 1_048_576);
    const scan = (after: number) => recent.scan({ after, head: 100, limit: 100, categories: undefined });
    expect(scan(80)).toBeUndefined();
    expect(scan(95)?.events.length).toBeGreaterThan(0);
  });
});
