// Adds to package-lock.json the optional platform packages that npm left out because the registry at hand
// does not serve them. Without these entries `npm ci` refuses the lock file, and on the platforms they are
// for nothing would be installed. Run it after every `npm install`: npm run lock.
import { readFileSync, writeFileSync } from 'node:fs';

const SYSTEMS = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'openharmony', 'openbsd', 'sunos', 'win32'];
const PROCESSORS = ['arm64', 'arm', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64'];

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const added = {};
for (const { optionalDependencies, dev } of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(optionalDependencies ?? {})) {
    const path = `node_modules/${name}`;
    const os = SYSTEMS.filter((system) => name.includes(system));
    const cpu = PROCESSORS.filter((processor) => name.includes(processor)).slice(0, 1);
    if (lock.packages[path] || os.length === 0) continue;
    added[path] = {
      version,
      cpu,
      ...(dev && { dev }),
      license: 'SEE LICENSE IN PACKAGE',
      optional: true,
      os,
    };
  }
}
const root = lock.packages[''];
const rest = Object.entries({ ...lock.packages, ...added }).filter(([path]) => path !== '');
rest.sort(([a], [b]) => a.localeCompare(b, 'en'));
lock.packages = { '': root, ...Object.fromEntries(rest) };
writeFileSync('package-lock.json', `${JSON.stringify(lock, null, 2)}\n`);
console.log(`${Object.keys(added).length} optional platform packages added to package-lock.json`);
