// npm run backends [-- --brokers 3]
// Starts Kafka and PostgreSQL, prints the settings that name them once they are ready, and stops them on Ctrl-C.
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { BackEndMissing } from './child.js';
import { type BackEnd, findKafka, findPostgres } from './find.js';

const { values } = parseArgs({ options: { brokers: { type: 'string', default: '1' } } });
if (values.brokers !== '1' && values.brokers !== '3') {
  console.error('usage: npm run backends [-- --brokers 1|3]');
  process.exit(2);
}
const brokers = values.brokers === '3' ? 3 : 1;
const stopped = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);

async function find(name: string, search: () => Promise<BackEnd>): Promise<BackEnd | undefined> {
  try {
    return await search();
  } catch (error) {
    console.error(`${name}: ${error instanceof BackEndMissing ? error.message : error}`);
    return undefined;
  }
}

const [kafka, postgres] = await Promise.all([
  find('Kafka', () => findKafka({ brokers })),
  find('PostgreSQL', findPostgres),
]);
const found = [kafka, postgres].filter((backEnd) => backEnd !== undefined);
for (const { origin } of found) console.error(origin);
if (kafka) console.log(`KAFKA_BROKERS=${kafka.setting}`);
if (postgres) console.log(`DATABASE_URL=${postgres.setting}`);
if (found.length > 0) {
  console.error('Ctrl-C stops them.');
  const idle = setInterval(() => undefined, 60_000);
  await stopped;
  clearInterval(idle);
}
await Promise.all(found.map((backEnd) => backEnd.stop()));
process.exit(found.length > 0 ? 0 : 1);
