// A budget with many spends and a user with many patches, next to users whose history fills one page.

import { median } from '../figures.mjs';
import { lanes, timed } from '../http.mjs';
import { runLoad } from '../load-process.mjs';
import { any } from '../people.mjs';
import { EQUIPMENT } from '../scenarios.mjs';
import { readFor } from './steady.mjs';

const MADE_AT_ONCE = 16;
const SHORT = 40;
const SHORT_LENGTH = 20;
/** A snapshot is left each 500 events. */
const BEYOND_SNAPSHOT = 495;
/** Pages of 100 that are followed to find cursors at some depth. */
const PAGES = 50;

const KINDS = [
  {
    stream: 'a budget with its spends',
    length: 'spends',
    scenario: 'spend',
    command: (client, id) => client.post(`/v1/users/${id}/budget/spend`, { amount_usd: '0.01' }),
    history: (id) => `/v1/users/${id}/budget/transactions`,
  },
  {
    stream: 'a user with its patches',
    length: 'patches',
    scenario: 'patch',
    command: (client, id) => client.patch(`/v1/users/${id}`, { label: `Seen at ${performance.now()}` }),
    history: (id) => `/v1/users/${id}/events`,
  },
];

export async function longStreams(installation, options) {
  await installation.restart();
  for (const kind of KINDS) await lengthen(installation, kind, options[kind.length]);
  const rows = [];
  for (const kind of KINDS) {
    const firsts = [];
    for (let round = 0; round < options.rounds; round++) {
      await grow(installation, kind);
      await installation.restart();
      await installation.settle();
      firsts.push(await firstCommands(installation, kind));
    }
    rows.push({ ...told(installation, kind, firsts), ...(await pages(installation, kind, options)) });
  }
  return rows;
}

/** Makes the long stream, unless a run before has, and some short ones. */
async function lengthen(installation, { length, scenario, command }, amount) {
  const { client, service, state } = installation;
  if (state[length]?.amount >= amount) return;
  process.stderr.write(`${amount} ${length} … `);
  const [long, ...short] = await usersOf(client, 1 + SHORT);
  const { seconds } = await load(service, scenario, { id: long, amount });
  await lanes(MADE_AT_ONCE, short.length * SHORT_LENGTH, (number) => command(client, short[number % SHORT]));
  installation.remember({ [length]: { amount, long, short, seconds } });
  process.stderr.write('\n');
}

/** By as much as a command after a start ever has to read. */
const grow = ({ service, state }, { length, scenario }) =>
  load(service, scenario, { id: state[length].long, amount: BEYOND_SNAPSHOT });

async function load(service, scenario, { id, amount }) {
  const result = await runLoad(service, { scenario, users: [{ id }], amount, connections: MADE_AT_ONCE });
  if (result.failed > 0) throw new Error(`${scenario} failed: ${JSON.stringify(result.statuses)}`);
  return result;
}

async function usersOf(client, count) {
  const ids = [];
  await lanes(MADE_AT_ONCE, count, async () => {
    const { id } = await client.post('/v1/users', { label: 'Long' });
    const [what, body] = EQUIPMENT[0];
    await client.put(`/v1/users/${id}/${what}`, body);
    ids.push(id);
  });
  return ids;
}

/** The first command that each user gets since the start: half of the short streams before the long one, half after. */
async function firstCommands({ client, state }, { length, command }) {
  const { long, short } = state[length];
  const others = [];
  const first = (id) => timed(() => command(client, id));
  const half = short.length / 2;
  for (const id of short.slice(0, half)) others.push(await first(id));
  const ofLong = await first(long);
  for (const id of short.slice(half)) others.push(await first(id));
  return { ofLong, others };
}

function told({ state }, { stream, length }, firsts) {
  const ofLong = firsts.map((round) => round.ofLong);
  const others = firsts.flatMap((round) => round.others);
  const { amount, seconds } = state[length];
  return {
    stream,
    length: amount,
    made_in_seconds: seconds,
    first_command_ms: median(ofLong),
    first_command_max_ms: Math.max(...ofLong),
    first_of_others_ms: median(others),
    first_of_others_max_ms: Math.max(...others),
  };
}

async function pages({ client, state }, { length, history }, { seconds }) {
  const { long, short } = state[length];
  const paths = await pagesOf(client, history(long));
  const ofLong = await readFor(seconds, 1, () => client.get(any(paths)));
  const ofShort = await readFor(seconds, 1, () => client.get(`${history(any(short))}?limit=20`));
  return {
    page_p50_ms: ofLong.p50_ms,
    page_p99_ms: ofLong.p99_ms,
    page_of_others_p50_ms: ofShort.p50_ms,
    page_of_others_p99_ms: ofShort.p99_ms,
  };
}

/** The first page of a history and those at some depth. */
async function pagesOf(client, path) {
  const pages = [`${path}?limit=20`];
  let next = '';
  while (pages.length <= PAGES) {
    ({ next_cursor: next } = await client.get(`${path}?limit=100${next && `&cursor=${next}`}`));
    if (next === null) break;
    pages.push(`${path}?limit=20&cursor=${next}`);
  }
  return pages;
}
