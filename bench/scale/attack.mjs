// What a tenant feels of others that ask for all that a key may, with a heap of 512 MB as `npm start` has it.
import { setTimeout as delay } from 'node:timers/promises';
import { ATTACKS } from '../attacks.mjs';
import { percentiles } from '../figures.mjs';
import { clientOf, lanes, timed } from '../http.mjs';
import { runLoad } from '../load-process.mjs';
import { any, newUser } from '../people.mjs';
import { beginUsage, residentMiB } from '../usage.mjs';

const MADE_AT_ONCE = 16;
const VICTIM_USERS = 200;
/** Of each tenant that attacks, with the largest metadata. */
const LARGE_USERS = 500;
const TENANTS = 30;
const SMALL_SHARE = 0.01;
const SCOPES = ['users:read', 'users:write', 'audit:read', 'admin'];
/** A second of each that is asked of the tenant that is watched. */
const RATES = { get: 40, create: 15, list: 10 };
/** Until the load is there. */
const LEAD_MS = 1_500;

export async function attack(installation, options) {
  await installation.restart();
  if (!installation.state.attack) await prepare(installation, options);
  const rows = [];
  const { attackers } = installation.state.attack;
  const one = attackers.slice(0, 1);
  const measure = async (name, work) => {
    if (!options.attacks.split(',').includes(name) && options.attacks !== 'all') return;
    rows.push({ attack: name, ...(await watched(installation, options, work)) });
    const { attack, get_p99_ms, create_p99_ms, list_p99_ms } = rows.at(-1);
    process.stderr.write(`${attack}: ${[get_p99_ms, create_p99_ms, list_p99_ms].map(Math.round)}\n`);
  };
  const load = (scenario, users, { connections, seconds }) =>
    runLoad(installation.service, { scenario, users, connections, seconds: seconds + 2 });
  await installation.settle();
  await measure('none', () => delay(options.seconds * 1_000));
  for (const { name } of ATTACKS) await measure(name, () => load(name, one, options));
  await installation.restart();
  await measure('all of it after a start', () => load('all of it', one, options));
  await measure(`all of it by ${TENANTS} tenants`, () => load('all of it', attackers, options));
  return rows;
}

/** A tenant with one long stream and large users, others with shorter ones, and the one that is watched. */
async function prepare(installation, { events }) {
  const { client, service } = installation;
  const attackers = [];
  for (let number = 0; number < TENANTS; number++) {
    const amount = number === 0 ? events : Math.ceil(events * SMALL_SHARE);
    process.stderr.write(`tenant ${number} with ${amount} patches … `);
    const tenant = await client.post('/v1/tenants', { name: `attacker ${number}` });
    const issued = await client.post('/v1/platform-keys', {
      name: 'a',
      scopes: SCOPES,
      tenant_id: tenant.id,
    });
    const key = issued.raw_key;
    const own = clientOf({ ...service, key, tenantId: tenant.id });
    const { id } = await own.post('/v1/users', { label: 'Long' });
    const user = { id, key, revisions: amount, since: Date.now() };
    const large = await runLoad(service, task('large creates', user, number === 0 ? LARGE_USERS : 100));
    const patches = await runLoad(service, task('patches', user, amount));
    for (const { failed, statuses } of [large, patches]) {
      if (failed > 0) throw new Error(`the attack could not be prepared: ${JSON.stringify(statuses)}`);
    }
    user.lasted = Date.now() - user.since;
    user.cursors = await cursorsOf(own, '/v1/users');
    user.pages = await cursorsOf(own, `/v1/users/${id}/events`);
    own.close();
    attackers.push(user);
    process.stderr.write('\n');
  }
  const { id } = await client.post('/v1/tenants', { name: 'watched' });
  const watching = installation.clientOf(id);
  const ids = [];
  await lanes(MADE_AT_ONCE, VICTIM_USERS, async (number) => {
    ids.push((await watching.post('/v1/users', newUser(number))).id);
  });
  watching.close();
  installation.remember({ attack: { attackers, watched: { tenantId: id, ids } } });
}

const task = (scenario, user, amount) => ({ scenario, users: [user], amount, connections: MADE_AT_ONCE });

/** Of all pages, as they stand in a query. */
async function cursorsOf(client, path) {
  const cursors = [''];
  for (;;) {
    const { next_cursor: next } = await client.get(`${path}?limit=100${cursors.at(-1)}`);
    if (next === null) return cursors;
    cursors.push(`&cursor=${next}`);
  }
}

/** What another tenant's requests take while the work is done, and how the service fares. */
async function watched(installation, { seconds }, work) {
  const { service, state } = installation;
  const { tenantId, ids } = state.attack.watched;
  const client = installation.clientOf(tenantId);
  let number = 0;
  const asks = {
    get: () => client.get(`/v1/users/${any(ids)}`),
    create: () => client.post('/v1/users', newUser(`watched-${performance.now()}-${number++}`)),
    list: () => client.get('/v1/users?limit=20'),
  };
  const working = work();
  await delay(LEAD_MS);
  const endUsage = await beginUsage(service);
  const measured = Object.entries(asks).map(([name, ask]) => atRate(RATES[name], seconds, ask));
  const took = await Promise.all(measured);
  const usage = await endUsage();
  const result = await working;
  client.close();
  const figures = Object.keys(asks).flatMap((name, at) => {
    const { p50_ms, p99_ms, max_ms } = percentiles(took[at]);
    return [
      [`${name}_p50_ms`, p50_ms],
      [`${name}_p99_ms`, p99_ms],
      [`${name}_max_ms`, max_ms],
    ];
  });
  return {
    ...Object.fromEntries(figures),
    event_loop_p99_ms: usage.event_loop_p99_ms,
    event_loop_max_ms: usage.event_loop_max_ms,
    resident_mib: usage.resident_mib,
    peak_mib: residentMiB(service.pid, 'VmHWM'),
    answers: result?.requests,
    statuses: Object.entries(result?.statuses ?? {})
      .map((each) => each.join(': '))
      .join(', '),
  };
}

/** By the clock, whether the service keeps up or not; rejects when one is refused. */
async function atRate(perSecond, seconds, ask) {
  const asked = [];
  const began = performance.now();
  for (let at = 0; at < perSecond * seconds; at++) {
    await delay(Math.max(0, began + (at * 1_000) / perSecond - performance.now()));
    asked.push(timed(ask));
  }
  return Promise.all(asked);
}
