// npm run bench: what the service does in a second, next to a bare echo on the same machine in the same run, and what
// it uses for that. docs/performance.md explains the figures.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runLoad } from './load-process.mjs';
import { prepareDeletions, prepareWorld } from './prepare.mjs';
import { overRounds, table } from './report.mjs';
import { ECHO, SCENARIOS } from './scenarios.mjs';
import { startEcho, startService } from './servers.mjs';

const names = (results) => results.map(({ scenario }) => scenario).join(', ');

const PROFILES = 'dist/profiles';

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

async function run({ json, only, ...options }) {
  const loadBefore = loadavg();
  const scenarios = SCENARIOS.filter(({ name }) => !only || only.includes(name));
  const results = overRounds(await measure(scenarios, options), ECHO.name);
  const { profile, ...used } = options;
  const machine = { node: process.version, cores: availableParallelism(), load_before: loadBefore };
  console.log(json ? JSON.stringify({ ...machine, ...used, results }) : table(results));
  if (profile) console.error(`CPU profiles: ${PROFILES}`);
  const limited = results.filter(({ load_cpu }) => load_cpu.median > MAX_LOAD_CPU);
  if (limited.length > 0) console.error(`The load was at its own limit: ${names(limited)}`);
  const failed = results.filter(({ failed }) => failed > 0);
  const statuses = JSON.stringify(failed.map((row) => row.statuses));
  if (failed.length > 0) fail(`answers that are none: ${names(failed)} ${statuses}`);
}

function fail(reason) {
  console.error(`FAILED: ${reason}`);
  process.exitCode = 1;
}

/** The scenarios take turns, so that each meets the machine's good and bad times, with the echo before and after each. */
async function measure(scenarios, options) {
  const servers = { echo: await started(startEcho(folder)) };
  let world;
  if (scenarios.length > 0) {
    const nodeOptions = options.profile ? profileOptions() : [];
    servers.service = await started(startService(folder, { nodeOptions }));
    world = await prepareWorld(servers.service, options.users);
  }
  const results = [];
  for (let round = 1; round <= options.rounds; round++) {
    process.stderr.write(`round ${round}: `);
    const measured = async (scenario, changed) => {
      const figures = await measureOnce(scenario, servers[scenario.server], {
        ...options,
        ...changed,
        world,
      });
      results.push({ round, ...figures });
    };
    const echoed = () => measured(ECHO, { seconds: options.seconds / 2, warmUp: options.warmUp / 2 });
    await echoed();
    for (const scenario of scenarios) {
      process.stderr.write(`${scenario.name} … `);
      await measured(scenario);
      await echoed();
    }
    process.stderr.write('\n');
  }
  return results;
}

async function measureOnce(scenario, server, { world, ...options }) {
  const { name, connections = options.connections } = scenario;
  const users = scenario.deletes ? await prepareDeletions(server, options.deletions) : world?.users;
  return runLoad(server, {
    scenario: name,
    users,
    cursors: world?.cursors,
    ...(scenario.fills && { tenantId: world.tenantOfCreates }),
    seconds: options.seconds,
    warmUpSeconds: options.warmUp,
    connections,
  });
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

function readOptions() {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '6' },
      'warm-up': { type: 'string', default: '2' },
      connections: { type: 'string', default: '64' },
      users: { type: 'string', default: '10000' },
      deletions: { type: 'string', default: '1000' },
      /** Names of scenarios, separated by commas. */
      only: { type: 'string' },
      profile: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const { 'warm-up': warmUp, only, profile, json, ...numbers } = values;
  const chosen = only?.split(',');
  const known = [ECHO, ...SCENARIOS].map(({ name }) => name);
  if (chosen?.some((name) => !known.includes(name))) throw new Error(`--only takes ${known.join(', ')}`);
  const parsed = Object.fromEntries(
    Object.entries(numbers).map(([option, value]) => [option, Number(value)]),
  );
  return { ...parsed, warmUp: Number(warmUp), only: chosen, profile, json };
}
