// What must be there before a measurement.
import { setTimeout as delay } from 'node:timers/promises';
import { SingleBar } from 'cli-progress';
import { clientOf, lanes } from './http.mjs';
import { runLoad } from './load-process.mjs';
import { any, CITIES, newUser, prefix } from './people.mjs';
import { EQUIPMENT } from './scenarios.mjs';

const EQUIPPED = 1_000;
const PREPARED_AT_ONCE = 32;
const FILLED_AT_ONCE = 64;
const CURSORS = 200;
const SHORTEST_WAIT_MS = 50;

let equippedBefore = 0;

/** Users in the default tenant, some of them with a key and EQUIPMENT, cursors into their list, and another tenant. */
export async function prepareWorld(server, count) {
  const client = clientOf(server);
  const equipped = Math.min(Math.ceil(count / 2), EQUIPPED);
  process.stderr.write(`preparing ${count} users … `);
  const users = await equip(client, equipped);
  const verified = await client.post('/v1/keys/verify', { key: users[0].key });
  if (verified.valid !== true) throw new Error('a key that was just issued does not verify');
  await fill(server, { count: count - equipped });
  await searchWhenReady(client);
  const cursors = await cursorsOf(client);
  const tenant = await client.post('/v1/tenants', { name: 'creates' });
  client.close();
  process.stderr.write('\n');
  return { users, cursors, tenantOfCreates: tenant.id };
}

/** Users to be deleted, each with something in every service but the vault. */
export async function prepareDeletions(server, count) {
  const client = clientOf(server);
  const users = await equip(client, count);
  client.close();
  return users;
}

async function equip(client, count) {
  const users = [];
  await lanes(PREPARED_AT_ONCE, count, async () => {
    const { id } = await client.post('/v1/users', newUser(equippedBefore++));
    const issued = await client.post(`/v1/users/${id}/keys`, { name: 'bench' });
    for (const [what, body] of EQUIPMENT) await client.put(`/v1/users/${id}/${what}`, body);
    users.push({ id, key: issued.raw_key });
  });
  return users;
}

/** Through the service, as applications do it, with the load in a process of its own. */
export async function fill(server, { count, tenantId, firstNumber, title = 'users' }) {
  const bar = new SingleBar({ format: `${title} [{bar}] {value}/{total}, {eta_formatted} left`, fps: 2 });
  bar.start(count, 0);
  const task = { scenario: 'fill', amount: count, connections: FILLED_AT_ONCE, firstNumber, tenantId };
  const result = await runLoad(server, task, (done) => bar.update(done));
  bar.update(count);
  bar.stop();
  if (result.failed > 0) throw new Error(`the fill was refused: ${JSON.stringify(result.statuses)}`);
  return result;
}

/**
 * Searches until the answer is there: what is refused with Retry-After is tried again after that time. Answers how
 * long that took, how often it was refused, and what was told then.
 */
export async function searchWhenReady(client) {
  const began = performance.now();
  const told = [];
  for (;;) {
    const { status, headers, body } = await client.attempt('GET', `/v1/users?limit=20&q=${prefix()}`);
    const ms = performance.now() - began;
    if (status === 200) return { ms, refused: told.length, told: told.at(-1) };
    if (status !== 503) throw new Error(`a search answered ${status}: ${JSON.stringify(body)}`);
    told.push(body.detail);
    await delay(Math.max(SHORTEST_WAIT_MS, Number(headers['retry-after']) * 1_000));
  }
}

/**
 * Cursors of pages that are spread evenly over the whole list. A cursor names a place in the order of creation and so
 * holds for any filter: the pages of one that matches a fiftieth of the users lead through all of the list quickly.
 */
export async function cursorsOf(client, order = '') {
  const filter = `metadata[city]=${any(CITIES)}&${order}`;
  const { total } = await client.get(`/v1/users?limit=1&${filter}`);
  const limit = Math.min(100, Math.max(1, Math.floor(total / CURSORS)));
  const cursors = [];
  for (let after = ''; ; after = `&cursor=${cursors.at(-1)}`) {
    const { next_cursor: next } = await client.get(`/v1/users?limit=${limit}&${filter}${after}`);
    if (next === null) break;
    cursors.push(next);
  }
  if (cursors.length === 0) throw new Error('too few users for pages at any depth');
  return cursors;
}
