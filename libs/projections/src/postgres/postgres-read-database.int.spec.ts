import { afterAll, beforeAll } from '@jest/globals';
import { describeReadDatabase, type PostgresServer, schemaUrl, startPostgres } from '#testing';
import { PostgresReadDatabase } from './postgres-read-database.js';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.dispose());

describeReadDatabase(
  'postgres',
  async () => {
    const database = await PostgresReadDatabase.open(schemaUrl(server.url));
    return { database, dispose: () => database.close() };
  },
  { textHoldsNul: false },
);
