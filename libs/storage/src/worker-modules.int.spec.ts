import { execFileSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const MODULES = globSync(['dist/libs/*/src/worker.js', 'dist/apps/*/src/projections.js']);

/** Loads modules in a process of their own and prints the packages that came with them. */
const SCRIPT = `
  import { registerHooks } from 'node:module';
  const packages = new Set();
  registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context);
      packages.add(/node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(resolved.url)?.[1]);
      return resolved;
    },
  });
  for (const url of process.argv.slice(1)) await import(url);
  console.log(JSON.stringify([...packages].filter(Boolean)));
`;

describe('what the storage thread loads', () => {
  it('given all of its modules, then none of them brings Nest or a client of a server along', () => {
    expect(MODULES.length).toBeGreaterThan(7);
    const urls = MODULES.map((file) => pathToFileURL(file).href);
    const printed = execFileSync(process.execPath, ['--input-type=module', '-e', SCRIPT, ...urls]);
    const packages = JSON.parse(printed.toString()) as string[];
    expect(packages).toContain('kysely');
    expect(packages.filter((name) => /^@nestjs|^pg$|kafkajs|@eventstore|class-validator/.test(name))).toEqual(
      [],
    );
  });
});
