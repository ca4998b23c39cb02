// The figures of a run as a table for people, and as one row for each scenario.
import { mean, rounded, spread } from './figures.mjs';

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const range = ({ min, max }) => `${min.toFixed(3)}–${max.toFixed(3)}`;

const COLUMNS = [
  ['scenario', ({ scenario }) => scenario],
  ['ratio to echo', ({ ratio_to_echo }) => ratio_to_echo.median.toFixed(3)],
  ['min–max', ({ ratio_to_echo }) => range(ratio_to_echo)],
  ['requests/s', ({ requests_per_second }) => whole.format(requests_per_second.median)],
  ['p50 ms', ({ p50_ms }) => p50_ms.median.toFixed(0)],
  ['p99 ms', ({ p99_ms }) => p99_ms.median.toFixed(0)],
  ['loop p99 ms', ({ event_loop_p99_ms }) => event_loop_p99_ms.median.toFixed(1)],
  ['CPU s/1,000', ({ cpu_seconds_per_1000 }) => cpu_seconds_per_1000.median.toFixed(3)],
  ['main thread', ({ main_thread_seconds_per_1000: seconds }) => seconds.median.toFixed(3)],
  ['RSS MiB', ({ resident_mib }) => whole.format(resident_mib.median)],
  ['answers', ({ requests }) => whole.format(requests)],
  ['failed', ({ failed }) => whole.format(failed)],
  ["load's CPU", ({ load_cpu }) => `${whole.format(load_cpu.median * 100)} %`],
];

/** Told as the median of the rounds, with the least and the most. */
const SPREAD = [
  'requests_per_second',
  'ratio_to_echo',
  'p50_ms',
  'p99_ms',
  'max_ms',
  'event_loop_p99_ms',
  'event_loop_max_ms',
  'cpu_seconds_per_1000',
  'main_thread_seconds_per_1000',
  'resident_mib',
  'load_cpu',
];

export const table = (results) => align(COLUMNS, results);

/** `columns` are [title, text of a result]; the first is set to the left. */
export function align(columns, results) {
  const rows = [
    columns.map(([title]) => title),
    ...results.map((row) => columns.map(([, cell]) => cell(row))),
  ];
  const widths = columns.map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = ([first, ...rest]) =>
    [first.padEnd(widths[0]), ...rest.map((cell, i) => cell.padStart(widths[i + 1]))].join('  ');
  return rows.map(line).join('\n');
}

/** One row for each scenario from those of all rounds; each is compared to the mean of the echoes beside it. */
export function overRounds(results, echo) {
  const perSecond = ({ requests_per_second }) => requests_per_second;
  const echoesBeside = (place) =>
    results.slice(Math.max(0, place - 2), place + 3).filter(({ scenario }) => scenario === echo);
  const compared = results.map((row, place) => ({
    ...row,
    ratio_to_echo: row.requests_per_second / mean(echoesBeside(place).map(perSecond)),
    cpu_seconds_per_1000: (row.cpu_seconds / row.requests) * 1_000,
    main_thread_seconds_per_1000: (row.cpu_seconds_by_thread.MainThread / row.requests) * 1_000,
  }));
  return Object.values(Object.groupBy(compared, ({ scenario }) => scenario)).map(ofScenario);
}

function ofScenario(rounds) {
  const sum = (figure) => rounds.reduce((total, row) => total + row[figure], 0);
  return {
    scenario: rounds[0].scenario,
    ...Object.fromEntries(SPREAD.map((figure) => [figure, spread(rounds.map((row) => row[figure]))])),
    cpu_seconds_per_1000_by_thread: byThread(rounds),
    requests: sum('requests'),
    failed: sum('failed'),
    statuses: added(rounds.map(({ statuses }) => statuses)),
  };
}

function byThread(rounds) {
  const requests = rounds.reduce((total, row) => total + row.requests, 0);
  const spent = added(rounds.map((row) => row.cpu_seconds_by_thread));
  return Object.fromEntries(
    Object.entries(spent).map(([thread, seconds]) => [thread, rounded((seconds / requests) * 1_000)]),
  );
}

function added(counts) {
  const total = {};
  for (const [key, count] of counts.flatMap(Object.entries)) total[key] = (total[key] ?? 0) + count;
  return total;
}
