// npm run projections -- list | rebuild NAME [--verify]
// Speaks to the running service with the root key: TENANTRY_URL (default: HOST and PORT as for the service),
// TENANTRY_ROOT_KEY (default: the file in the data dir).
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Presets, SingleBar } from 'cli-progress';

interface ProjectionState {
  name: string;
  position: string;
  lag: number;
  state: string;
  failure?: { position: string; event_type: string; error: string };
}

interface RebuildState {
  name: string;
  state: 'running' | 'completed' | 'failed';
  events_done: number;
  events_total: number;
  events_per_second: number;
  differences?: number;
  error?: string;
}

/** Something that the person at the terminal can mend; shown as one line. */
class Refusal extends Error {}

const { env } = process;
const url = env.TENANTRY_URL || `http://${env.HOST || '127.0.0.1'}:${env.PORT || 3000}`;

async function call<Answer>(method: string, path: string, body?: object): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${rootKey()}`, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  }).catch(() => {
    throw new Refusal(`nothing answers at ${url}: is the service running?`);
  });
  const answer = (await response.json()) as Answer & { detail?: string };
  if (!response.ok) throw new Refusal(answer.detail ?? `the service answered ${response.status}`);
  return answer;
}

function rootKey(): string {
  if (env.TENANTRY_ROOT_KEY) return env.TENANTRY_ROOT_KEY;
  const file = join(env.TENANTRY_DATA_DIR || './data', 'root-key');
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    throw new Refusal(`no root key: set TENANTRY_ROOT_KEY, or TENANTRY_DATA_DIR so that ${file} can be read`);
  }
}

async function list(): Promise<void> {
  const { data } = await call<{ data: ProjectionState[] }>('GET', '/v1/projections');
  const width = Math.max(...data.map(({ name }) => name.length));
  console.log(
    `${'NAME'.padEnd(width)}  ${'STATE'.padEnd(9)}  ${'POSITION'.padStart(10)}  ${'LAG'.padStart(8)}`,
  );
  for (const { name, state, position, lag, failure } of data) {
    const reason = failure ? `  ${failure.error} at ${failure.position} (${failure.event_type})` : '';
    console.log(
      `${name.padEnd(width)}  ${state.padEnd(9)}  ${position.padStart(10)}  ${String(lag).padStart(8)}${reason}`,
    );
  }
}

async function rebuild(name: string, verify: boolean): Promise<void> {
  const path = `/v1/projections/${encodeURIComponent(name)}/rebuild`;
  let state = await call<RebuildState>('POST', path, { verify });
  const format = `${name} {bar} {percentage}% | {value}/{total} events | {events_per_second}/s`;
  const bar = new SingleBar({ format, noTTYOutput: false }, Presets.shades_classic);
  bar.start(Math.max(1, state.events_total), state.events_done, { ...state });
  while (state.state === 'running') {
    await sleep(100);
    state = await call<RebuildState>('GET', path);
    bar.setTotal(Math.max(1, state.events_total));
    bar.update(state.events_done, { ...state });
  }
  bar.stop();
  if (state.state === 'failed') throw new Refusal(`${name} could not be rebuilt: ${state.error}`);
  console.log(`${name} was rebuilt from ${state.events_done} events at ${state.events_per_second} a second`);
  if (state.differences !== undefined) console.log(`${state.differences} rows had stood differently`);
}

async function main(): Promise<void> {
  const [command, name] = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
  if (command === 'list' && !name) return list();
  if (command === 'rebuild' && name) return rebuild(name, process.argv.includes('--verify'));
  throw new Refusal('usage: npm run projections -- list | rebuild NAME [--verify]');
}

main().catch((error: unknown) => {
  console.error(error instanceof Refusal ? error.message : error);
  process.exitCode = 1;
});
