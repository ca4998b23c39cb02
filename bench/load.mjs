// Puts load on one server in a process of its own: takes one task from its parent, says when it begins to measure and
// how far it is, and answers with the figures. See load-process.mjs.
import { once } from 'node:events';
import autocannon from 'autocannon';
import { ATTACKS } from './attacks.mjs';
import { percentiles } from './figures.mjs';
import { receipts } from './receipts.mjs';
import { ECHO, FILL, SCENARIOS } from './scenarios.mjs';

const PROGRESS_MS = 500;
const SAMPLE_MS = 100;

const [task] = await once(process, 'message');
const scenario = [ECHO, FILL, ...SCENARIOS, ...ATTACKS].find(({ name }) => name === task.scenario);
const { users = [], cursors = [], firstNumber = 0 } = task;
let number = firstNumber;
const world = { users, cursors, nextNumber: () => number++ };
const headers = {
  authorization: `Bearer ${task.key}`,
  'content-type': 'application/json',
  ...(task.tenantId && { 'x-tenant-id': task.tenantId }),
};

if (task.warmUpSeconds > 0 && !scenario.deletes) await load({ duration: task.warmUpSeconds });
process.send({ measuring: true });
const cpuBefore = process.cpuUsage();
const began = performance.now();
const result = scenario.deletes ? await receipts(task) : await load(amountOrDuration());
const seconds = (performance.now() - began) / 1_000;
const cpu = process.cpuUsage(cpuBefore);

process.send({
  result: {
    scenario: scenario.name,
    ...result,
    seconds,
    // Of one core: near 1, the load is what was measured and not the server.
    load_cpu: (cpu.user + cpu.system) / 1e6 / seconds,
  },
});
process.disconnect();

function amountOrDuration() {
  // It ends with one of autocannon's samples, a second apart by default.
  return task.amount ? { amount: task.amount, sampleInt: SAMPLE_MS } : { duration: task.seconds };
}

/** For so many seconds, or so many requests in all. */
async function load(extent) {
  const rows = scenario.steps && inARow();
  const running = autocannon({
    url: task.url,
    connections: Math.min(task.connections, extent.amount ?? Infinity),
    ...extent,
    ...(scenario.holds && { verifyBody: scenario.holds }),
    ...(rows
      ? { setupClient: (client) => client.setRequests([rows.ofConnection()]) }
      : { requests: [{ setupRequest: (request) => ({ ...request, headers, ...scenario.request(world) }) }] }),
  });
  const reporting = extent.amount && reportProgress(running);
  const measured = await running;
  clearInterval(reporting);
  return figuresOf(measured, rows?.tookMs);
}

/** `tookMs` holds what each row of requests took where several count as one. */
function figuresOf({ duration, latency, non2xx, errors, mismatches, statusCodeStats, ...measured }, tookMs) {
  // What a scenario doesn't take for an answer includes every one that is not 2xx.
  const refused = scenario.holds ? mismatches : non2xx;
  const requests = tookMs?.length ?? measured['2xx'] + non2xx - refused;
  return {
    requests_per_second: requests / duration,
    ...(tookMs ? percentiles(tookMs) : { p50_ms: latency.p50, p99_ms: latency.p99, max_ms: latency.max }),
    requests,
    failed: refused + errors,
    statuses: Object.fromEntries(Object.entries(statusCodeStats).map(([code, { count }]) => [code, count])),
  };
}

function reportProgress(running) {
  let done = 0;
  running.on('response', () => {
    done += 1;
  });
  return setInterval(() => process.send({ done }), PROGRESS_MS);
}

/** Each connection sends the scenario's steps one after the other, and then begins anew. */
function inARow() {
  const tookMs = [];
  const ofConnection = () => {
    let step = 0;
    let began = 0;
    let first;
    return {
      setupRequest(request) {
        if (step === 0) began = performance.now();
        return { ...request, headers, ...scenario.steps[step](world, first) };
      },
      onResponse(status, body) {
        const last = step === scenario.steps.length - 1;
        // What failed is counted by its status; the row is given up.
        if (status >= 300) step = 0;
        else {
          if (step === 0) first = JSON.parse(body);
          if (last) tookMs.push(performance.now() - began);
          step = last ? 0 : step + 1;
        }
      },
    };
  };
  return { tookMs, ofConnection };
}
