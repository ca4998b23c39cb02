import { describeReadDatabase, onPostgres, schemaUrl } from '#testing';
import { PostgresReadDatabase } from './postgres-read-database.js';

await onPostgres(({ setting }) => {
  describeReadDatabase(
    'postgres',
    async () => {
      const database = await PostgresReadDatabase.open(schemaUrl(setting));
      return { database, dispose: () => database.close() };
    },
    { textHoldsNul: false },
  );
});
