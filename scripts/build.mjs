// Compiles apps/, libs/ and scripts/ with SWC into dist/, keeping the tree. Files that have not changed are left as they are.
import { globSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { transformFile } from '@swc/core';

const sources = globSync('{apps,libs,scripts}/**/*.ts').filter((file) => !/\.spec\.ts$|\.d\.ts$/.test(file));
const target = (source) => `dist/${source.replace(/\.ts$/, '.js')}`;
const modifiedAt = (file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
const settingsAt = Math.max(modifiedAt('.swcrc'), modifiedAt('node_modules/@swc/core/package.json'));

const wanted = new Set(sources.map(target));
for (const stale of globSync('dist/**/*.js')) if (!wanted.has(stale)) rmSync(stale);

const changed = sources.filter(
  (source) => modifiedAt(target(source)) < Math.max(modifiedAt(source), settingsAt),
);
await Promise.all(
  changed.map(async (source) => {
    const { code, map } = await transformFile(source);
    const output = target(source);
    mkdirSync(dirname(output), { recursive: true });
    writeFileSync(output, `${code}\n//# sourceMappingURL=${output.split('/').pop()}.map\n`);
    if (map) writeFileSync(`${output}.map`, map);
  }),
);
if (changed.length > 0) console.log(`built ${changed.length} files into dist/`);
