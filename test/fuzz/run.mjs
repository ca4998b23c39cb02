// Random requests from the OpenAPI document, by Schemathesis: npm run fuzz. Its own environment lies in .cache.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const MIN_REQUESTS = 5_000;
const ENVIRONMENT = '.cache/schemathesis';
const PROGRAM = join(process.cwd(), ENVIRONMENT, 'bin', 'schemathesis');
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
  'negative_data_rejection',
  'unsupported_method',
];
// A rebuild is a job of its own, and waiting for a consumer of the live feed would never end.
const LEFT_OUT = ['/v1/projections/{name}/rebuild'];

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000_000)) },
    examples: { type: 'string', default: '60' },
  },
});

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (error?.code === 'ENOENT') return 127;
  return status ?? 1;
}

function install() {
  if (existsSync(PROGRAM)) return 0;
  return (
    run('python3', ['-m', 'venv', ENVIRONMENT]) ||
    run(join(ENVIRONMENT, 'bin', 'pip'), [
      'install',
      '--quiet',
      '--requirement',
      'test/fuzz/requirements.txt',
    ])
  );
}

async function startService(dataDir) {
  const env = { PATH: process.env.PATH, PORT: '0', TENANTRY_DATA_DIR: dataDir, LOG_LEVEL: 'error' };
  const service = spawn(process.execPath, ['dist/apps/all-in-one/src/main.js'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  for await (const chunk of service.stdout) {
    said += chunk;
    const [, url] = /^Tenantry listens on (http:\S+)\n/m.exec(said) ?? [];
    if (url) return { service, url };
  }
  throw new Error('the service did not start');
}

/** Answers how many requests were sent; throws when one was answered wrongly. */
function fuzz(url, key, more) {
  const args = [
    ['--config-file', join(process.cwd(), 'test', 'fuzz', 'schemathesis.toml')],
    ['run', join(process.cwd(), 'openapi.json'), '--url', url, '--header', `Authorization: Bearer ${key}`],
    ['--checks', CHECKS.join(','), '--seed', values.seed, '--max-examples', values.examples],
    ['--continue-on-failure', '--no-color', '--warnings', 'off'],
    more,
    LEFT_OUT.flatMap((path) => ['--exclude-path', path]),
  ].flat();
  const { status, stdout } = spawnSync(PROGRAM, args, {
    cwd: mkdtempSync(join(tmpdir(), 'tenantry-fuzz-report-')),
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    maxBuffer: 1024 ** 3,
  });
  const sent = Number(/^\s*(\d+) generated/m.exec(stdout)?.[1] ?? 0);
  if (status !== 0) {
    process.stdout.write(stdout);
    throw new Error(`seed ${values.seed}: a request was answered wrongly`);
  }
  return sent;
}

const installed = install();
if (installed !== 0) {
  console.log(
    `fuzz: not run: no Python environment with Schemathesis could be made (exit code ${installed})`,
  );
  process.exit(process.env.TENANTRY_REQUIRE_FUZZ ? 1 : 0);
}
const dataDir = mkdtempSync(join(tmpdir(), 'tenantry-fuzz-'));
const { service, url } = await startService(dataDir);
try {
  let sent = 0;
  const runs = [
    ['platform-key', []],
    ['root-key', ['--include-path-regex', '^/v1/(platforms|projections)']],
  ];
  for (const [name, more] of runs) {
    const count = fuzz(url, readFileSync(join(dataDir, name), 'utf8').trim(), more);
    console.log(`fuzz: ${count} requests with the ${name}, no 5xx, every answer fits its schema`);
    sent += count;
  }
  console.log(`fuzz: ${sent} requests in all, seed ${values.seed}`);
  if (sent < MIN_REQUESTS) throw new Error(`fewer than ${MIN_REQUESTS} requests were sent`);
} finally {
  // Until it has ended it writes to its data dir.
  if (service.kill()) await once(service, 'exit');
  rmSync(dataDir, { recursive: true, force: true });
}
