// npm run dead-letters -- list | replay ID... | replay --all
// Reads Kafka's dead-letter topic by the settings that the service has (KAFKA_BROKERS and the other KAFKA_ ones).
import { isTenantryError } from '#kernel';
import { BusRefusal, KafkaDeadLetters, type StoredDeadLetter } from '#message-bus';
import { InvalidSetting, readKafkaSettings, refusedSetting } from '#platform';

const USAGE = 'usage: npm run dead-letters -- list | replay ID... | replay --all';
const EX_CONFIG = 78;

function show({ id, time, letter, origin, replayed }: StoredDeadLetter): string {
  const { group, topic, error, attempts, message } = letter;
  const why = `${error} after ${attempts} ${attempts === 1 ? 'try' : 'tries'}`;
  const state = replayed ? 'replayed' : 'open';
  return [id, time, state, group, origin || topic, String(message.type), String(message.subject), why].join(
    '  ',
  );
}

async function replay(deadLetters: KafkaDeadLetters, ids: readonly string[], all: boolean): Promise<void> {
  const listed = await deadLetters.list();
  const missing = ids.filter((id) => !listed.some((letter) => letter.id === id));
  if (missing.length > 0) throw new Error(`no dead letter ${missing.join(', ')}`);
  const wanted = listed.filter(({ id, replayed, readable }) =>
    all ? !replayed && readable : ids.includes(id),
  );
  for (const letter of wanted) {
    await deadLetters.replay(letter);
    console.log(`replayed ${letter.id} to ${letter.letter.group}`);
  }
  console.log(`${wanted.length} replayed`);
}

async function main(): Promise<void> {
  const [command, ...names] = process.argv.slice(2);
  const all = names.includes('--all');
  const ids = names.filter((name) => name !== '--all');
  const known = command === 'list' ? names.length === 0 : command === 'replay' && all !== ids.length > 0;
  if (!known) throw new Error(USAGE);
  const settings = readKafkaSettings(process.env);
  if (!settings) {
    throw new InvalidSetting(
      'KAFKA_BROKERS',
      'is missing; the embedded bus has no command for its dead letters',
    );
  }
  const deadLetters = new KafkaDeadLetters(settings);
  try {
    if (command === 'replay') await replay(deadLetters, ids, all);
    else for (const letter of await deadLetters.list()) console.log(show(letter));
  } catch (error) {
    throw error instanceof BusRefusal ? refusedSetting(error, settings) : error;
  } finally {
    await deadLetters.close();
  }
}

main().catch((error: unknown) => {
  const cause = isTenantryError(error) && error.cause instanceof Error ? `: ${error.cause.message}` : '';
  console.error(error instanceof Error ? error.message + cause : error);
  process.exitCode = error instanceof InvalidSetting ? EX_CONFIG : 1;
});
