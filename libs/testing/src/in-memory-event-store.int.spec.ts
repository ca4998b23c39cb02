import { describeEventStore } from './event-store-contract.js';
import { InMemoryEventStore } from './in-memory-event-store.js';

describeEventStore(
  'in memory',
  async () => {
    const store = new InMemoryEventStore();
    return { store, reopen: async () => store, dispose: () => store.close() };
  },
  { reopening: 'it is gone with the process' },
);
