import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { loadSettings, runToEnd } from '#platform';
import { runSplit } from './split.js';

await runToEnd(() => {
  // From here on a signal is heeded, also one that comes while the services start.
  const stop = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
  return runSplit({
    settings: loadSettings(process.env),
    env: process.env,
    programOf: (service) => fileURLToPath(new URL(`../../${service}/src/main.js`, import.meta.url)),
    stop,
    print: (line) => console.log(line),
    printError: (line) => console.error(line),
  });
});
