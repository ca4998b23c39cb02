import { afterAll } from '@jest/globals';
import { describeEventStore, findEventStoreServer, RecordingLogger } from '#testing';
import { EventStoreDb } from './event-store-db.js';

const server = await findEventStoreServer();
afterAll(() => server.stop());

const open = (): Promise<EventStoreDb> => EventStoreDb.open(server.url, { logger: new RecordingLogger() });

describeEventStore(
  server.name,
  async () => {
    const harness = {
      store: await open(),
      reopen: async () => {
        await harness.store.close();
        harness.store = await open();
        return harness.store;
      },
      dispose: () => harness.store.close(),
    };
    return harness;
  },
  {
    'gap-free positions': 'positions are places in the log file',
    'an empty log': 'the server is not made anew for each test',
  },
);
