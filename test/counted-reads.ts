import { jest } from '@jest/globals';
import type { INestApplicationContext } from '@nestjs/common';
import type { EventStore } from '#event-store';
import { EVENT_STORE } from '#platform';

/** How many events the work reads of streams, and the most that one read answers. */
export async function countedReads(
  app: INestApplicationContext,
  work: () => Promise<unknown>,
): Promise<{ events: number; largest: number }> {
  const read = jest.spyOn(app.get<EventStore>(EVENT_STORE), 'read');
  try {
    await work();
    const pages = await Promise.all(
      read.mock.results.map(({ value }) => value as ReturnType<EventStore['read']>),
    );
    const lengths = pages.map((page) => page.length);
    return { events: lengths.reduce((sum, length) => sum + length, 0), largest: Math.max(0, ...lengths) };
  } finally {
    read.mockRestore();
  }
}
