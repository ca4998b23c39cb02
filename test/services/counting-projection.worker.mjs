// A projection that is slow from a position on, while a file is there, and tells which start applied each event.
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { workerData } from 'node:worker_threads';

const { searchParams } = new URL(import.meta.url);
const RUN = Date.now();

export const { url } = import.meta;

export const projections = async () => [
  {
    name: 'counted',
    version: 1,
    categories: ['counted'],
    tables: ['applied'],
    createTables: ({ schema }) =>
      schema
        .createTable('applied')
        .addColumn('position', 'integer', (column) => column.primaryKey())
        .addColumn('run', 'integer')
        .addColumn('thread', 'text')
        .execute(),
    async apply(transaction, event) {
      const position = Number(event.position);
      while (position > Number(searchParams.get('from')) && existsSync(searchParams.get('while')))
        await delay(5);
      const thread = workerData.projection === undefined ? 'storage' : 'build';
      await transaction.insertInto('applied').values({ position, run: RUN, thread }).execute();
    },
  },
];
