import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const CRUISER = resolve('node_modules/dependency-cruiser/bin/dependency-cruiser.mjs');
const RULES = resolve('test/architecture/dependency-cruiser.cjs');
const LIBS = [
  'kernel',
  'contracts',
  'event-store',
  'message-bus',
  'projections',
  'privacy',
  'storage',
  'platform',
  'testing',
];
const APPS = ['tenant-users', 'keys', 'budgets', 'connections'];
const VENDORS = ['kafkajs', '@eventstore/db-client', 'pg', '@nestjs/common', 'fast-check'];

type Tree = Record<string, readonly string[]>;

/** `breaches` are `rule: file`. */
interface Outcome {
  status: number | null;
  breaches: string[];
}

/** A small tree that keeps every rule: a file and what it imports. */
const SOUND: Tree = {
  ...Object.fromEntries([...LIBS, ...APPS].map((part) => [indexOf(part), []])),
  'libs/contracts/src/index.ts': ['#kernel'],
  'libs/event-store/src/index.ts': ['#kernel', './sqlite/log.js', './eventstoredb/log.js'],
  'libs/event-store/src/sqlite/log.ts': ['node:sqlite'],
  'libs/event-store/src/sqlite/append.worker.ts': ['node:sqlite'],
  'libs/event-store/src/eventstoredb/log.ts': ['@eventstore/db-client'],
  'libs/message-bus/src/index.ts': ['#contracts', './kafka/bus.js'],
  'libs/message-bus/src/kafka/bus.ts': ['kafkajs'],
  'libs/projections/src/index.ts': ['#message-bus', '#event-store', './postgres/database.js'],
  'libs/projections/src/postgres/database.ts': ['pg'],
  'libs/privacy/src/index.ts': ['#kernel', 'node:sqlite'],
  'libs/platform/src/index.ts': ['#projections', '#privacy', '@nestjs/common'],
  'libs/testing/src/index.ts': ['#platform', 'pg', 'fast-check'],
  'apps/keys/src/index.ts': ['#platform', './domain/keyring.js'],
  'apps/keys/src/domain/keyring.ts': ['#kernel', './key.js', 'node:util'],
  'apps/keys/src/domain/key.ts': [],
  'apps/keys/src/domain/keyring.unit.spec.ts': ['#testing', './keyring.js', '@nestjs/common'],
  'apps/all-in-one/src/main.ts': ['#tenant-users', '#keys', '#budgets', '#connections'],
  'test/e2e/life.e2e.spec.ts': ['#testing', 'node:sqlite'],
};

/** Each breaks the rule that its line names. */
const BREACHES: readonly [rule: string, file: string, imported: string][] = [
  ['arrows-of-kernel', 'libs/kernel/src/a.ts', '#contracts'],
  ['arrows-of-contracts', 'libs/contracts/src/a.ts', '#privacy'],
  ['arrows-of-event-store', 'libs/event-store/src/a.ts', '#contracts'],
  ['arrows-of-message-bus', 'libs/message-bus/src/a.ts', '#event-store'],
  ['arrows-of-projections', 'libs/projections/src/a.ts', '#privacy'],
  ['arrows-of-privacy', 'libs/privacy/src/a.ts', '#contracts'],
  ['arrows-of-storage', 'libs/storage/src/a.ts', '#contracts'],
  ['arrows-of-platform', 'libs/platform/src/a.ts', '#keys'],
  ['testing-from-tests-only', 'apps/keys/src/a.ts', '#testing'],
  ['testing-from-tests-only', 'apps/budgets/src/a.ts', '../../../test/e2e/helper.js'],
  ['apps-import-no-app', 'apps/keys/src/b.ts', '#budgets'],
  ['apps-import-no-app', 'apps/split/src/a.ts', '#keys'],
  ['through-the-index-only', 'apps/keys/src/c.ts', '../../../libs/kernel/src/clock.js'],
  ['through-the-index-only', 'apps/keys/src/d.ts', '../../../libs/kernel/src/index.js'],
  ['through-the-index-only', 'apps/all-in-one/src/a.ts', '../../keys/src/domain/key.js'],
  ['no-unresolvable', 'apps/keys/src/e.ts', '#kernel/src/clock'],
  ['no-unresolvable', 'apps/keys/src/f.ts', './missing.js'],
  ['vendor-node:sqlite', 'apps/keys/src/g.ts', 'node:sqlite'],
  ['vendor-node:sqlite', 'libs/projections/src/b.ts', 'node:sqlite'],
  ['vendor-kafkajs', 'libs/message-bus/src/b.ts', 'kafkajs'],
  ['vendor-@eventstore/db-client', 'libs/event-store/src/sqlite/b.ts', '@eventstore/db-client'],
  ['vendor-pg', 'libs/privacy/src/b.ts', 'pg'],
  ['domain-is-pure', 'apps/keys/src/domain/a.ts', '@nestjs/common'],
  ['domain-is-pure', 'apps/keys/src/domain/b.ts', '#event-store'],
  ['domain-is-pure', 'apps/keys/src/domain/c.ts', '../commands/issue-key.js'],
  ['domain-is-pure', 'apps/keys/src/domain/d.ts', 'node:fs'],
  ['nobody-imports-a-spec', 'apps/keys/src/h.ts', './domain/keyring.unit.spec.js'],
  ['declared-packages-only', 'apps/keys/src/i.ts', 'fast-check'],
  ['no-cycle', 'libs/kernel/src/left.ts', './right.js'],
];

const BROKEN: Tree = {
  ...SOUND,
  'libs/kernel/src/clock.ts': [],
  'libs/kernel/src/right.ts': ['./left.js'],
  'test/e2e/helper.ts': [],
  'apps/keys/src/commands/issue-key.ts': [],
  ...Object.fromEntries(BREACHES.map(([, file, imported]) => [file, [imported]])),
};

let folder: string;
let sound: Outcome;
let broken: Outcome;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tenantry-architecture-'));
  sound = cruise(join(folder, 'sound'), SOUND);
  broken = cruise(join(folder, 'broken'), BROKEN);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the architecture check', () => {
  it('given a tree that keeps the rules, passes', () => {
    expect(sound).toEqual({ status: 0, breaches: [] });
  });

  it('given breaches, fails', () => {
    expect(broken.status).toBeGreaterThan(0);
  });

  it.each(BREACHES)('reports %s: %s imports %s', (rule, file) => {
    expect(broken.breaches).toContain(`${rule}: ${file}`);
  });

  it('reports a file that no entry point reaches', () => {
    expect(broken.breaches).toContain('no-dead-file: apps/keys/src/commands/issue-key.ts');
    expect(broken.breaches).not.toContain('no-dead-file: apps/keys/src/domain/key.ts');
  });

  it('has a breach here for every rule that it knows', () => {
    const names = createRequire(RULES)(RULES).forbidden.map(({ name }: { name: string }) => name);
    expect(new Set([...BREACHES.map(([rule]) => rule), 'no-dead-file'])).toEqual(new Set(names));
  });
});

function indexOf(part: string): string {
  return `${APPS.includes(part) ? 'apps' : 'libs'}/${part}/src/index.ts`;
}

function cruise(root: string, tree: Tree): Outcome {
  const dependencies = Object.fromEntries(VENDORS.map((name) => [name, '1.0.0']));
  const { 'fast-check': development, ...production } = dependencies;
  const manifest = {
    type: 'module',
    dependencies: production,
    devDependencies: { 'fast-check': development },
  };
  write(join(root, 'package.json'), JSON.stringify(manifest));
  cpSync('tsconfig.json', join(root, 'tsconfig.json'));
  for (const name of VENDORS) {
    write(join(root, 'node_modules', name, 'package.json'), JSON.stringify({ name, main: 'index.js' }));
    write(join(root, 'node_modules', name, 'index.js'), '');
  }
  for (const [file, imports] of Object.entries(tree)) {
    write(join(root, file), imports.map((name) => `import '${name}';\n`).join(''));
  }
  const run = spawnSync(process.execPath, [CRUISER, 'apps', 'libs', 'test', '--config', RULES], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1' },
  });
  if (run.stderr) throw new Error(`the architecture check did not run: ${run.stderr}`);
  const breaches = [...run.stdout.matchAll(/^ {2}error (\S+: [^\s→]+)/gm)].map(([, breach]) => breach ?? '');
  return { status: run.status, breaches };
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
