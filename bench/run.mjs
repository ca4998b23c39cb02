// npm run bench: what the service does in a second, next to a bare echo on the same machine in the same run.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { table, withRatios } from './report.mjs';
import { ECHO, EQUIPMENT, newUser, SCENARIOS } from './scenarios.mjs';
import { post, put, startEcho, startService } from './servers.mjs';

const names = (results) => results.map(({ scenario }) => scenario).join(', ');

const PROFILES = 'dist/profiles';
const PREPARED_AT_ONCE = 32;

/** Above this share of one core the load's own process is what limits the figures. */
const MAX_LOAD_CPU = 0.95;

const folder = mkdtempSync(join(tmpdir(), 'tenantry-bench-'));
const running = [];
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

try {
  await run(readOptions());
} catch (error) {
  fail(error.message);
} finally {
  await Promise.all(running.map(({ stop }) => stop()));
}

async function run(options) {
  const results = withRatios(await measure(options), ECHO.name);
  console.log(table(results));
  const { seconds, connections } = options;
  const machine = { node: process.version, cores: availableParallelism(), seconds, connections };
  console.log(JSON.stringify({ ...machine, results }));
  if (options.profile) console.error(`CPU profiles: ${PROFILES}`);
  const limited = results.filter(({ load_cpu }) => load_cpu > MAX_LOAD_CPU);
  if (limited.length > 0) console.error(`The load was at its own limit: ${names(limited)}`);
  const failed = results.filter(({ not_2xx }) => not_2xx > 0);
  const statuses = JSON.stringify(failed.map((row) => row.statuses));
  if (failed.length > 0) fail(`answers other than 2xx: ${names(failed)} ${statuses}`);
}

function fail(reason) {
  console.error(`FAILED: ${reason}`);
  process.exitCode = 1;
}

/** The echo comes first and last, so that a machine whose speed drifts shows. */
async function measure(options) {
  const scenarios = SCENARIOS.filter(({ name }) => !options.only || name === options.only);
  const servers = { echo: await started(startEcho(folder)) };
  let users = [];
  if (scenarios.length > 0) {
    servers.service = await started(startService(folder, options.profile ? profileOptions() : []));
    users = await prepareUsers(servers.service, options.users);
  }
  const results = [];
  for (const scenario of [ECHO, ...scenarios, ECHO]) {
    process.stderr.write(`${scenario.name} … `);
    results.push(await runLoad(scenario, servers[scenario.server], { ...options, users }));
  }
  process.stderr.write('\n');
  return results;
}

async function started(starting) {
  const server = await starting;
  running.push(server);
  return server;
}

function profileOptions() {
  mkdirSync(PROFILES, { recursive: true });
  return ['--cpu-prof', `--cpu-prof-dir=${PROFILES}`];
}

/** Makes the users that the scenarios choose from, each with a key and its equipment, and checks that a key verifies. */
async function prepareUsers({ url, key }, count) {
  process.stderr.write(`preparing ${count} users … `);
  const users = [];
  let next = 0;
  const prepare = async () => {
    while (next < count) {
      const { id } = await (await post(`${url}/v1/users`, newUser(next++), key)).json();
      const issued = await (await post(`${url}/v1/users/${id}/keys`, { name: 'bench' }, key)).json();
      for (const [what, body] of EQUIPMENT) await put(`${url}/v1/users/${id}/${what}`, body, key);
      users.push({ id, key: issued.raw_key });
    }
  };
  await Promise.all(Array.from({ length: PREPARED_AT_ONCE }, prepare));
  const verified = await (await post(`${url}/v1/keys/verify`, { key: users[0].key }, key)).json();
  if (verified.valid !== true) throw new Error('a key that was just issued does not verify');
  return users;
}

async function runLoad({ name }, { url, key }, { users, seconds, warmUp, connections }) {
  const child = fork('bench/load.mjs');
  child.send({ scenario: name, url, key, users, seconds, warmUpSeconds: warmUp, connections });
  const exited = once(child, 'exit').then(([code]) => {
    throw new Error(`the load process ended with ${code} before it answered`);
  });
  const [result] = await Promise.race([once(child, 'message'), exited]);
  exited.catch(() => {});
  return result;
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '6' },
      'warm-up': { type: 'string', default: '2' },
      connections: { type: 'string', default: '64' },
      users: { type: 'string', default: '1000' },
      only: { type: 'string' },
      profile: { type: 'boolean', default: false },
    },
  });
  const known = [ECHO, ...SCENARIOS].map(({ name }) => name);
  if (values.only && !known.includes(values.only)) throw new Error(`--only takes ${known.join(', ')}`);
  return {
    ...values,
    seconds: Number(values.seconds),
    warmUp: Number(values['warm-up']),
    connections: Number(values.connections),
    users: Number(values.users),
  };
}
