// The figures of a run as a table for people.
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

const COLUMNS = [
  ['scenario', ({ scenario }) => scenario],
  ['requests/s', ({ requests_per_second }) => whole.format(requests_per_second)],
  ['ratio to echo', ({ ratio_to_echo }) => ratio_to_echo.toFixed(2)],
  ['p50 ms', ({ p50_ms }) => p50_ms.toFixed(0)],
  ['p99 ms', ({ p99_ms }) => p99_ms.toFixed(0)],
  ['answers', ({ requests }) => whole.format(requests)],
  ['not 2xx', ({ not_2xx }) => whole.format(not_2xx)],
  ["load's CPU", ({ load_cpu }) => `${whole.format(load_cpu * 100)} %`],
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

/** Adds to each result its ratio to the mean of the echo's runs. */
export function withRatios(results, echo) {
  const echoes = results.filter(({ scenario }) => scenario === echo);
  const mean = echoes.reduce((sum, { requests_per_second }) => sum + requests_per_second, 0) / echoes.length;
  return results.map((row) => ({
    ...row,
    ratio_to_echo: Number((row.requests_per_second / mean).toFixed(3)),
  }));
}
