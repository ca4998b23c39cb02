// Ends a test run with the real back ends that took part and, on the last line, the totals.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * `specs` tells which spec files drive the back end; one without them has `adapter`, the folder it would need, or
 * `kind`, under which specs record what they ran on (libs/testing/src/back-ends/on-back-end.ts).
 * `title` finds, in the titles of its contract suite, what exactly it was: a version, or a stand-in.
 */
const BACK_ENDS = [
  { name: `SQLite ${process.versions.sqlite} (node:sqlite)`, specs: /^libs\/.*\/sqlite\/.*\.int\.spec\.ts$/ },
  { name: 'embedded bus', specs: /^libs\/message-bus\/src\/embedded\/.*\.int\.spec\.ts$/ },
  {
    name: 'EventStoreDB',
    specs: /^libs\/event-store\/src\/eventstoredb\/event-store-db\.int\.spec\.ts$/,
    title: /^the event store: EventStoreDB (.+)$/,
  },
  { name: 'Kafka', kind: 'kafka' },
  { name: 'PostgreSQL', kind: 'postgres' },
];

export default class SummaryReporter {
  #root;
  #nothingRan = false;

  #records = mkdtempSync(join(tmpdir(), 'tenantry-back-ends-'));

  constructor({ rootDir }) {
    this.#root = rootDir;
    process.env.TENANTRY_BACKEND_RECORD = join(this.#records, 'records');
    process.once('exit', () => rmSync(this.#records, { recursive: true, force: true }));
  }

  onRunComplete(_, results) {
    const passed = results.numPassedTests;
    // A spec that does not load has no tests to count, and is a failure all the same.
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    const skipped = results.numPendingTests + results.numTodoTests;
    this.#nothingRan = passed + failed === 0;
    const rows = BACK_ENDS.map((backEnd) => [backEnd.name, this.#outcome(backEnd, results.testResults)]);
    const width = Math.max(...rows.map(([name]) => name.length));
    const table = rows.map(([name, outcome]) => `  ${name.padEnd(width)}  ${outcome}\n`).join('');
    const totals = `Tests: ${passed} passed, ${failed} failed, ${skipped} skipped\n`;
    const summary = `\nReal back ends\n${table}\n${this.#nothingRan ? 'No test ran.\n' : ''}${totals}`;
    // Jest's own summary is written after every reporter's.
    process.once('exit', () => process.stdout.write(summary));
  }

  /** Makes the run fail when no test ran, as when all are skipped. */
  getLastError() {
    return this.#nothingRan ? new Error('no test ran') : undefined;
  }

  /** From what the specs recorded, as a spec file may take part or not depending on what can be had. */
  #recorded(kind, testResults) {
    const file = process.env.TENANTRY_BACKEND_RECORD;
    const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
    const records = lines.map((line) => JSON.parse(line)).filter((record) => record.kind === kind);
    const missing = new Set(records.flatMap((record) => record.missing ?? []));
    if (missing.size > 0) return `not run: ${[...missing].join('; ')}`;
    const origins = [...new Set(records.map((record) => record.origin))].sort();
    if (origins.length === 0) return 'not run: none of its specs took part in this run';
    const specs = new Set(records.map((record) => record.spec));
    const driven = testResults.filter(({ testFilePath }) => specs.has(testFilePath));
    const ran = driven.reduce((sum, result) => sum + result.numPassingTests + result.numFailingTests, 0);
    const failed = driven.reduce((sum, result) => sum + result.numFailingTests, 0);
    return `ran: ${ran} tests in ${driven.length} specs${failed > 0 ? `, ${failed} failed` : ''} (${origins.join(' and ')})`;
  }

  #outcome({ specs, title, adapter, kind }, testResults) {
    if (kind) return this.#recorded(kind, testResults);
    if (!specs) return existsSync(adapter) ? 'not run: no spec reports it' : 'not run: no adapter yet';
    const driven = testResults.filter(({ testFilePath }) =>
      specs.test(testFilePath.slice(this.#root.length + 1)),
    );
    const sum = (count) => driven.reduce((total, result) => total + result[count], 0);
    const ran = sum('numPassingTests') + sum('numFailingTests');
    if (ran === 0) return 'not run: none of its specs took part in this run';
    const failed = sum('numFailingTests');
    const what = title ? `${found(title, driven)}, ` : '';
    return `${what}ran: ${ran} tests in ${driven.length} specs${failed > 0 ? `, ${failed} failed` : ''}`;
  }
}

/** What the title of a suite says after the name of the back end. */
function found(title, driven) {
  const suites = driven.flatMap(({ testResults }) =>
    testResults.map(({ ancestorTitles }) => ancestorTitles[0]),
  );
  return suites.map((suite) => title.exec(suite ?? '')?.[1]).find(Boolean) ?? 'nobody knows which';
}
