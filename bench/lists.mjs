// npm run bench:lists: how long pages of one large tenant take, at any depth and by any filter, while users are created.
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
import { align } from './report.mjs';
import { startService } from './servers.mjs';

const FILLED_AT_ONCE = 32;
const MAX_PAGES_WALKED = 300;
const PREFIXES = ['a', 'b', 'k', 'mar', 'bel', 'user.1', 'user.12', 'kato m'];
const SYLLABLES = ['an', 'bel', 'cor', 'dri', 'el', 'fa', 'gus', 'ka', 'li', 'mar', 'no', 'ri', 'sol', 'to'];

const any = (list) => list[Math.floor(Math.random() * list.length)];
const name = () => Array.from({ length: 2 + Math.floor(Math.random() * 2) }, () => any(SYLLABLES)).join('');

const newUser = (number) => ({
  external_id: `customer_${number}`,
  email: `user.${number}@example.com`,
  first_name: name(),
  last_name: name(),
  label: `User number ${number}`,
  role: any(['member', 'owner']),
  teams: [any(['red', 'blue'])],
  metadata: { plan: any(['free', 'team', 'pro']), region: any(['eu', 'us']), account: number },
});

/** Each names the filters that its requests choose from. */
const scenarios = ({ users }) => [
  { name: 'all', filters: [''] },
  { name: 'all, 100 a page', filters: ['limit=100'] },
  { name: 'oldest first', filters: ['order=created_at'] },
  { name: 'one metadata entry', filters: ['metadata[plan]=pro', 'metadata[region]=eu'] },
  { name: 'two metadata entries', filters: ['metadata[plan]=pro&metadata[region]=eu'] },
  {
    name: 'rare metadata entry',
    filters: Array.from({ length: 500 }, () => `metadata[account]=${Math.floor(Math.random() * users)}`),
  },
  { name: 'role and team', filters: ['role=owner&team=red', 'role=member&team=blue'] },
  { name: 'role and status', filters: ['role=owner&status=active'] },
  { name: 'prefix', filters: PREFIXES.map((it) => `q=${encodeURIComponent(it)}`) },
  { name: 'prefix and role', filters: ['q=u&role=owner', 'q=mar&role=member', 'q=k&role=owner'] },
  {
    name: 'external_id',
    filters: Array.from({ length: 500 }, () => `external_id=customer_${Math.floor(Math.random() * users)}`),
  },
];

const COLUMNS = [
  ['scenario', ({ scenario }) => scenario],
  ['matching', ({ matching }) => String(matching)],
  ['first ms', ({ first_ms }) => first_ms.toFixed(1)],
  ['p50 ms', ({ p50_ms }) => p50_ms.toFixed(1)],
  ['p99 ms', ({ p99_ms }) => p99_ms.toFixed(1)],
  ['max ms', ({ max_ms }) => max_ms.toFixed(1)],
  ['pages', ({ pages }) => String(pages)],
  ['creates/s', ({ creates_per_second }) => creates_per_second.toFixed(0)],
];

const { folder: kept, ...options } = readOptions();
const folder = kept ?? mkdtempSync(join(tmpdir(), 'tenantry-bench-'));
const agent = new Agent({ keepAlive: true });
let service;
// Never the number of a run before, whose users a folder may hold.
let created = Date.now();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
if (!kept) process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

try {
  await run();
} finally {
  agent.destroy();
  await service?.stop();
}

async function run() {
  if (!existsSync(join(folder, 'data'))) {
    mkdirSync(folder, { recursive: true });
    service = await startService(folder, []);
    await fill(options);
    // Started anew, so that the first answers show what it costs to read everything for the first time.
    await service.stop();
  }
  service = await startService(folder, []);
  const results = [];
  for (const scenario of scenarios(options)) {
    process.stderr.write(`${scenario.name} … `);
    results.push(await measure(scenario, options));
  }
  process.stderr.write('\n');
  console.log(align(COLUMNS, results));
  const memory = await residentMegabytes();
  const machine = { node: process.version, cores: availableParallelism(), load: loadavg(), ...options };
  console.log(JSON.stringify({ ...machine, resident_megabytes: memory, results }));
}

/** Through the service, as applications do it. */
async function fill({ users }) {
  const bar = new SingleBar({ format: 'users [{bar}] {value}/{total}, {eta_formatted} left', fps: 2 });
  bar.start(users, 0);
  let next = 0;
  const create = async () => {
    while (next < users) {
      await send('POST', '/v1/users', newUser(next++));
      bar.increment();
    }
  };
  await Promise.all(Array.from({ length: FILLED_AT_ONCE }, create));
  bar.stop();
}

async function measure({ name: scenario, filters }, { seconds, connections, creates }) {
  const before = performance.now();
  const first = await list(filters[0]);
  const firstMs = performance.now() - before;
  const pages = await pagesOf(filters);
  const ending = new AbortController();
  const creating = createSteadily(creates, ending.signal);
  const latencies = [];
  const until = performance.now() + seconds * 1_000;
  const read = async () => {
    while (performance.now() < until) {
      const sent = performance.now();
      await list(any(pages));
      latencies.push(performance.now() - sent);
    }
  };
  await Promise.all(Array.from({ length: connections }, read));
  ending.abort();
  const created = await creating;
  latencies.sort((one, other) => one - other);
  const at = (share) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))];
  return {
    scenario,
    matching: first.total,
    first_ms: firstMs,
    p50_ms: at(0.5),
    p99_ms: at(0.99),
    max_ms: at(1),
    pages: latencies.length,
    creates_per_second: created / seconds,
  };
}

/** Every page of each filter by its query, found by following the cursors. */
async function pagesOf(filters) {
  const pages = [];
  for (const filter of filters) {
    pages.push(filter);
    const walk = filters.length > 100 ? 0 : Math.ceil(MAX_PAGES_WALKED / filters.length);
    let cursor = null;
    for (let page = 0; page < walk; page++) {
      // Large steps, so that the walk reaches far; the cursors are good for pages of any size.
      const wide = filter.replace(/limit=\d+/, '');
      const { next_cursor: next } = await list(`${wide}&limit=100${cursor ? `&cursor=${cursor}` : ''}`);
      if (next === null) break;
      cursor = next;
      pages.push(`${filter}&cursor=${cursor}`);
    }
  }
  return pages;
}

async function createSteadily(perSecond, signal) {
  const pending = [];
  while (!signal.aborted) {
    pending.push(send('POST', '/v1/users', newUser(created++)));
    await delay(1_000 / perSecond);
  }
  await Promise.all(pending);
  return pending.length;
}

function list(query) {
  return send('GET', `/v1/users?${query.replace(/^&/, '')}`);
}

/** Over a kept connection; rejects on anything but 2xx. */
function send(method, path, body) {
  const { promise, resolve, reject } = Promise.withResolvers();
  const headers = { authorization: `Bearer ${service.key}`, 'content-type': 'application/json' };
  const sent = request(`${service.url}${path}`, { method, headers, agent }, (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
    });
    response.on('end', () =>
      response.statusCode < 300
        ? resolve(JSON.parse(text))
        : reject(new Error(`${method} ${path} answered ${response.statusCode}: ${text}`)),
    );
  });
  sent.on('error', reject).end(body && JSON.stringify(body));
  return promise;
}

async function residentMegabytes() {
  const metrics = await (await fetch(`${service.url}/metrics`)).text();
  return Math.round(Number(/^process_resident_memory_bytes (\S+)/m.exec(metrics)?.[1]) / 2 ** 20);
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      users: { type: 'string', default: '100000' },
      seconds: { type: 'string', default: '6' },
      connections: { type: 'string', default: '2' },
      creates: { type: 'string', default: '50' },
      /** Kept for another run, which then finds its users there. */
      folder: { type: 'string' },
    },
  });
  const { folder, ...numbers } = values;
  return {
    ...Object.fromEntries(Object.entries(numbers).map(([option, value]) => [option, Number(value)])),
    folder,
  };
}
