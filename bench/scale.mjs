// npm run bench:scale: how the service fares with many users on its embedded defaults. docs/performance.md explains
// the figures; bench/scale has one file for each part.
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { rounded } from './figures.mjs';
import { align } from './report.mjs';
import { attack } from './scale/attack.mjs';
import { deletion } from './scale/deletion.mjs';
import { fillTenants } from './scale/fill.mjs';
import { Installation } from './scale/installation.mjs';
import { lists } from './scale/lists.mjs';
import { longStreams } from './scale/long-streams.mjs';
import { rebuild } from './scale/rebuild.mjs';
import { search } from './scale/search.mjs';
import { creates, start } from './scale/start.mjs';

/** In this order; the fill and what it takes on disk come first in any case. */
const PARTS = { start, search, lists, creates, rebuild, deletion, 'long-streams': longStreams, attack };
const ALL = ['fill', ...Object.keys(PARTS)];

const { parts, json, 'data-dir': kept, ...options } = readOptions();
const folder = kept ?? mkdtempSync(join(tmpdir(), 'tenantry-bench-'));
if (!kept) process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

const installation = new Installation(folder);
const loadBefore = loadavg();
const figures = {};
try {
  tell('fill', await fillTenants(installation, options));
  tell('disk', installation.state.disk);
  for (const part of parts.filter((name) => name !== 'fill'))
    tell(part, await PARTS[part](installation, options));
} catch (error) {
  console.error(`FAILED: ${error.message}`);
  process.exitCode = 1;
} finally {
  await installation.stop();
}
const machine = { node: process.version, cores: availableParallelism(), load_before: loadBefore };
const brief = (_, value) => (typeof value === 'number' ? rounded(value) : value);
if (json) console.log(JSON.stringify({ ...machine, ...options, figures }, brief));

/** At once, since a run of all parts takes long. A few wide rows are shown as columns. */
function tell(part, rows) {
  figures[part] = rows;
  if (json) return;
  const names = [...new Set(rows.flatMap(Object.keys))];
  const title = (name) => name.replaceAll('_', ' ');
  const table =
    rows.length < 3
      ? align([[part, title], ...rows.map((row) => ['', (name) => text(row[name])])], names)
      : align([['', () => part], ...names.map((name) => [title(name), (row) => text(row[name])])], rows);
  console.log(`\n${table}`);
}

function text(value) {
  if (typeof value !== 'number') return String(value ?? '');
  return value.toLocaleString('en', { maximumFractionDigits: value >= 100 ? 0 : value >= 1 ? 1 : 3 });
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      users: { type: 'string', default: '100000' },
      /** Kept for another run, which then finds its users there. */
      'data-dir': { type: 'string' },
      parts: { type: 'string', default: ALL.join(',') },
      json: { type: 'boolean', default: false },
      /** Of each measurement of reads or of load. */
      seconds: { type: 'string', default: '6' },
      rounds: { type: 'string', default: '3' },
      connections: { type: 'string', default: '64' },
      /** Of lists and searches: how many read at once, beside how many creates a second. */
      readers: { type: 'string', default: '2' },
      creates: { type: 'string', default: '50' },
      /** Users of the tenant that is deleted. */
      deleted: { type: 'string', default: '10000' },
      spends: { type: 'string', default: '100000' },
      patches: { type: 'string', default: '20000' },
      /** Of the longest stream of a tenant that attacks. */
      events: { type: 'string', default: '24000' },
      /** By their names. */
      attacks: { type: 'string', default: 'all' },
    },
  });
  const { parts, json, attacks, 'data-dir': dataDir, ...numbers } = values;
  const chosen = parts.split(',');
  if (chosen.some((name) => !ALL.includes(name))) {
    console.error(`--parts takes ${ALL.join(', ')}`);
    process.exit(78);
  }
  const parsed = Object.fromEntries(
    Object.entries(numbers).map(([option, value]) => [option, Number(value)]),
  );
  return {
    ...parsed,
    json,
    attacks,
    'data-dir': dataDir,
    parts: ALL.filter((name) => chosen.includes(name)),
  };
}
