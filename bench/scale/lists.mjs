// Pages of the large tenant with their totals, at any depth and by filters of every kind, while users are created.
import { any, CITIES, PLANS, ROLES, TEAMS } from '../people.mjs';
import { cursorsOf } from '../prepare.mjs';
import { measureReads } from './steady.mjs';

const SAMPLES = 100;

const city = () => `metadata[city]=${any(CITIES)}`;
const plan = () => `metadata[plan]=${any(PLANS)}`;
const role = () => `role=${any(ROLES)}`;

/** Each makes one filter; those that name a user have one page. */
const kindsOf = (samples) => [
  { list: 'all', filter: () => '' },
  { list: 'all, 100 a page', filter: () => 'limit=100' },
  { list: 'all, oldest first', filter: () => 'order=created_at', oldestFirst: true },
  { list: 'city (1 in 50)', filter: city },
  { list: 'plan (1 in 3)', filter: plan },
  { list: 'role (1 in 3)', filter: role },
  { list: 'plan and city', filter: () => `${plan()}&${city()}` },
  { list: 'plan and role', filter: () => `${plan()}&${role()}` },
  { list: 'role and team', filter: () => `${role()}&team=${any(TEAMS)}` },
  { list: 'role and status', filter: () => `${role()}&status=active` },
  { list: 'one user by metadata', filter: () => `metadata[account]=${any(samples).account}`, single: true },
  {
    list: 'one user by external_id',
    filter: () => `external_id=${encodeURIComponent(any(samples).external_id)}`,
    single: true,
  },
];

export async function lists(installation, options) {
  await installation.restart();
  await installation.settle();
  const { client } = installation;
  const cursors = await cursorsOf(client);
  const oldestFirst = await cursorsOf(client, 'order=created_at');
  const samples = await samplesOf(client, cursors);
  const rows = [];
  for (const kind of kindsOf(samples)) {
    process.stderr.write(`${kind.list} … `);
    const { total } = await client.get(`/v1/users?${kind.filter()}`);
    const pages = kind.oldestFirst ? oldestFirst : cursors;
    const read = () => client.get(`/v1/users?${kind.filter()}${kind.single ? '' : `&cursor=${any(pages)}`}`);
    rows.push({ list: kind.list, matching: total, ...(await measureReads(installation, options, read)) });
  }
  process.stderr.write('\n');
  return rows;
}

async function samplesOf(client, cursors) {
  const samples = [];
  while (samples.length < SAMPLES) {
    const { data } = await client.get(`/v1/users?limit=20&cursor=${any(cursors)}`);
    const persons = data.filter(({ metadata }) => metadata.account !== undefined);
    samples.push(...persons.map(({ external_id, metadata }) => ({ external_id, account: metadata.account })));
  }
  return samples;
}
