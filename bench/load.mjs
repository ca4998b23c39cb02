// Puts load on one server in a process of its own: takes one task from its parent, answers with the figures.
import { once } from 'node:events';
import autocannon from 'autocannon';
import { ECHO, SCENARIOS } from './scenarios.mjs';

const [task] = await once(process, 'message');
const scenario = [ECHO, ...SCENARIOS].find(({ name }) => name === task.scenario);
let number = 0;
const world = { users: task.users, nextNumber: () => number++ };
const headers = { authorization: `Bearer ${task.key}`, 'content-type': 'application/json' };

if (task.warmUpSeconds > 0) await load(task.warmUpSeconds);
const cpuBefore = process.cpuUsage();
const result = await load(task.seconds);
const cpu = process.cpuUsage(cpuBefore);

process.send({
  scenario: scenario.name,
  requests_per_second: Math.round(result['2xx'] / result.duration),
  p50_ms: result.latency.p50,
  p99_ms: result.latency.p99,
  requests: result['2xx'],
  not_2xx: result.non2xx + result.errors,
  statuses: Object.fromEntries(
    Object.entries(result.statusCodeStats).map(([code, { count }]) => [code, count]),
  ),
  // Of one core: near 1, the load is what was measured and not the server.
  load_cpu: Number(((cpu.user + cpu.system) / 1e6 / result.duration).toFixed(2)),
});
process.disconnect();

function load(seconds) {
  return autocannon({
    url: task.url,
    connections: task.connections,
    duration: seconds,
    requests: [{ setupRequest: (request) => ({ ...request, headers, ...scenario.request(world) }) }],
  });
}
