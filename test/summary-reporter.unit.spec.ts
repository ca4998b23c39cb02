import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

const JEST = resolve('node_modules/jest/bin/jest.js');
const REPORTER = resolve('test/summary-reporter.mjs');
const EVENT_STORE_DB = 'libs/event-store/src/eventstoredb/event-store-db.int.spec.ts';
const EMBEDDED_BUS = 'libs/message-bus/src/embedded/bus.int.spec.ts';

describe('the end of a test run', () => {
  let folder: string;

  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'tenantry-reporter-')));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('given passed, failed, skipped and unloadable tests, counts each and fails', () => {
    const { status, lines } = run({
      'a.spec.ts': "it('a', () => {}); it('b', () => {}); it('c', () => { throw new Error(); });",
      'b.spec.ts': "it.skip('a', () => {}); it.todo('b');",
      'c.spec.ts': "throw new Error('cannot load');",
    });
    expect(lines.at(-1)).toBe('Tests: 2 passed, 2 failed, 2 skipped');
    expect(status).toBe(1);
  });

  it('given only passed tests, succeeds', () => {
    const { status, lines } = run({ 'a.spec.ts': "it('a', () => {});" });
    expect(lines.at(-1)).toBe('Tests: 1 passed, 0 failed, 0 skipped');
    expect(status).toBe(0);
  });

  it('given that all are skipped, fails, for no test ran', () => {
    const { status, lines } = run({ 'a.spec.ts': "it.skip('a', () => {});" });
    expect(lines.slice(-2)).toEqual(['No test ran.', 'Tests: 0 passed, 0 failed, 1 skipped']);
    expect(status).toBe(1);
  });

  it('tells which back ends ran and why the others did not', () => {
    const { lines } = run({ [EMBEDDED_BUS]: "it('a', () => {}); it('b', () => {});" });
    expect(lines).toContainEqual(expect.stringMatching(/embedded bus +ran: 2 tests in 1 specs$/));
    expect(lines).toContainEqual(expect.stringMatching(/SQLite .* +not run: none of its specs took part/));
    expect(lines).toContainEqual(expect.stringMatching(/Kafka +not run: none of its specs took part/));
  });

  it('given specs that record their back end, then tells what they ran on and what they missed', () => {
    const recording = (entry: object) => `const record = ${JSON.stringify(entry)};
      record.spec = expect.getState().testPath;
      require('node:fs').appendFileSync(process.env.TENANTRY_BACKEND_RECORD, JSON.stringify(record) + '\\n');
      it('a', () => {});`;
    const { lines } = run({
      'a.spec.ts': recording({ kind: 'kafka', origin: 'Apache Kafka 4' }),
      'b.spec.ts': recording({ kind: 'postgres', missing: 'no server' }),
    });
    expect(lines).toContainEqual(expect.stringMatching(/Kafka +ran: 1 tests in 1 specs \(Apache Kafka 4\)$/));
    expect(lines).toContainEqual(expect.stringMatching(/PostgreSQL +not run: no server$/));
  });

  it.each(['24.10.5', 'stand-in (scripted gRPC peer)'])('tells that EventStoreDB was %s', (what) => {
    const suite = `describe('the event store: EventStoreDB ${what}', () => it('a', () => {}));`;
    const { lines } = run({ [EVENT_STORE_DB]: suite });
    const row = lines.find((line) => line.startsWith('  EventStoreDB '));
    expect(row?.replace(/ +/g, ' ')).toBe(` EventStoreDB ${what}, ran: 1 tests in 1 specs`);
  });

  function run(specs: Record<string, string>) {
    for (const [path, text] of Object.entries({ ...specs, 'package.json': '{}' })) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    const config = { reporters: ['default', REPORTER], testMatch: ['**/*.spec.ts'], transform: {} };
    const { status, stdout } = spawnSync(process.execPath, [JEST, '--config', JSON.stringify(config)], {
      cwd: folder,
      encoding: 'utf8',
    });
    return { status, lines: stdout.trimEnd().split('\n') };
  }
});
