import { spawnSync } from 'node:child_process';
import { globSync, readFileSync, statSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';

interface Rule {
  name: string;
  files: RegExp;
  /** The files it does not hold for, each with the reason. */
  except?: Record<string, string>;
  keeps: (text: string, path: string) => boolean;
  /** Proof that the rule can fail. */
  breach: { path: string; text: string };
}

const PRODUCT = /^(apps|libs)\/.*\.ts$/;
const CODE = /\.(ts|mjs|cjs|js|sh)$|^\.ci\//;
const SPEC = /\.spec\.ts$/;
/** The contract suites and what else specs are written with. */
const SUITE = /^libs\/testing\//;
const SELF = 'test/architecture/hygiene.unit.spec.ts';
const SPELLS_THEM_OUT = { [SELF]: 'its examples of breaches' };

const without = (pattern: RegExp) => (text: string) => !pattern.test(text);
const contains =
  (...parts: string[]) =>
  (text: string) =>
    parts.every((part) => text.includes(part));
const lines = (text: string) => text.split('\n').length - 1;

const RULES: Rule[] = [
  {
    name: 'a file has at most 300 lines, a spec 500',
    files: PRODUCT,
    keeps: (text, path) => lines(text) <= (SPEC.test(path) || SUITE.test(path) ? 500 : 300),
    breach: { path: 'apps/keys/src/a.ts', text: '\n'.repeat(301) },
  },
  {
    name: 'work left open names its issue: #12',
    files: CODE,
    except: SPELLS_THEM_OUT,
    keeps: without(/\b(TODO|FIXME|XXX|HACK)\b(?!.*#\d)/),
    breach: { path: 'libs/kernel/src/a.ts', text: '// TODO: later' },
  },
  {
    name: 'no test is focused, skipped or only planned',
    files: SPEC,
    except: { ...SPELLS_THEM_OUT, 'test/summary-reporter.unit.spec.ts': 'the texts of specs it runs' },
    keeps: without(/\b(describe|it|test)(\.\w+)*\.(only|skip|todo|failing)\b|\b[fx](describe|it|test)\b/),
    breach: { path: 'libs/kernel/src/a.unit.spec.ts', text: "it.only('works', run)" },
  },
  {
    name: 'no checker is silenced',
    files: CODE,
    except: SPELLS_THEM_OUT,
    keeps: without(
      /@ts-(ignore|expect-error|nocheck)|(biome|eslint|prettier|c8|istanbul)[- ](ignore|disable)/,
    ),
    breach: { path: 'apps/keys/src/a.ts', text: '// biome-ignore lint: no' },
  },
  {
    name: 'what a part exports is listed by hand',
    files: PRODUCT,
    keeps: without(/^export \*/m),
    breach: { path: 'libs/kernel/src/index.ts', text: "export * from './a.js';" },
  },
  {
    name: 'only a program writes to the console; all else logs',
    files: /^(apps|libs)\/(?!.*(main|openapi|\.spec)\.ts$).*\.ts$/,
    keeps: without(/\bconsole\./),
    breach: { path: 'libs/privacy/src/a.ts', text: 'console.log(key)' },
  },
  {
    name: "no path of one's own machine",
    files: CODE,
    except: SPELLS_THEM_OUT,
    keeps: without(/['"`\s=:]\/(home|Users|root|work|tmp)\//),
    breach: { path: 'bench/a.mjs', text: "readFile('/home/me/data')" },
  },
  {
    name: 'names are kebab-case',
    files: /^(apps|libs|test|bench|scripts|docs)\//,
    keeps: (_, path) => path.split('/').every((part) => /^([a-z0-9.-]+|README\.md|Dockerfile)$/.test(part)),
    breach: { path: 'apps/keys/src/keyRing.ts', text: '' },
  },
  {
    name: 'the README has the two commands as they are run',
    files: /^README\.md$/,
    keeps: contains('npm ci && npm start', 'npm ci && npm test'),
    breach: { path: 'README.md', text: 'npm ci && npm start' },
  },
  {
    name: 'the lock file names no registry',
    files: /^package-lock\.json$/,
    keeps: without(/"resolved"/),
    breach: { path: 'package-lock.json', text: '"resolved": "https://registry.example/a.tgz"' },
  },
];

const texts = new Map<string, string>();

describe('the repository', () => {
  const files = repositoryFiles();

  it.each(RULES)('$name', (rule) => {
    const held = files.filter((path) => rule.files.test(path) && !rule.except?.[path]);
    expect(held.length).toBeGreaterThan(0);
    expect(held.filter((path) => !rule.keeps(read(path), path))).toEqual([]);
  });
});

describe('the check of the repository', () => {
  it.each(RULES)('given a breach of "$name", sees it', ({ files, keeps, breach }) => {
    expect(files.test(breach.path)).toBe(true);
    expect(keeps(breach.text, breach.path)).toBe(false);
  });

  it.each(RULES)('excepts only files that exist from "$name"', ({ except = {} }) => {
    expect(repositoryFiles()).toEqual(expect.arrayContaining(Object.keys(except)));
  });
});

function read(path: string): string {
  const text = texts.get(path) ?? readFileSync(path, 'utf8');
  texts.set(path, text);
  return text;
}

/** What git tracks or would; outside a checkout, what lies in the folders. */
function repositoryFiles(): string[] {
  const git = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    encoding: 'utf8',
  });
  const listed = git.status === 0 ? git.stdout.split('\0').filter(Boolean) : [];
  const found = globSync('{*,.ci/*,{apps,libs,test,bench,scripts,docs}/**/*.*}');
  const paths = listed.length > 0 ? listed : found;
  return paths.filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
}
