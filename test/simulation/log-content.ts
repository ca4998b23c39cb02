import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { EventStoreDb } from '#event-store';
import { eventStoreSettings, RecordingLogger } from '#testing';

export interface LoggedEvent {
  stream: string;
  data: Record<string, unknown>;
}

/** Every event of the service with that data dir, wherever its log is. */
export function logContent(dataDir: string): Promise<LoggedEvent[]> | LoggedEvent[] {
  const { EVENT_STORE_URL: url, TENANTRY_STREAM_PREFIX: streamPrefix = '' } = eventStoreSettings(dataDir);
  return url ? contentOfServer(url, streamPrefix) : contentOfFile(join(dataDir, 'log.db'));
}

function contentOfFile(file: string): LoggedEvent[] {
  const log = new DatabaseSync(file, { readOnly: true });
  try {
    const rows = log.prepare('select stream, data from events').all();
    return rows.map(({ stream, data }) => ({ stream: String(stream), data: JSON.parse(String(data)) }));
  } finally {
    log.close();
  }
}

async function contentOfServer(url: string, streamPrefix: string): Promise<LoggedEvent[]> {
  const store = await EventStoreDb.open(url, { logger: new RecordingLogger(), streamPrefix });
  try {
    const [head, events] = [await store.head(), [] as LoggedEvent[]];
    let position = 0n;
    store.subscribe({ after: 0n }, async (batch) => {
      events.push(...batch.events);
      position = batch.position;
    });
    while (position < head) await sleep(10);
    return events;
  } finally {
    await store.close();
  }
}
