// Writes openapi.json from the code; with --check, fails when the committed one differs.
import { readFileSync, writeFileSync } from 'node:fs';
import { describeModule, type Settings } from '#platform';
import { AllInOneModule } from './all-in-one.module.js';

const FILE = 'openapi.json';

/** Nothing is opened for the document, so the settings are never read. */
const NO_SETTINGS = {} as Settings;

const generated = `${JSON.stringify(await describeModule(AllInOneModule.forRoot(NO_SETTINGS)), null, 2)}\n`;
if (!process.argv.includes('--check')) {
  writeFileSync(FILE, generated);
} else if (readFileSync(FILE, 'utf8') !== generated) {
  console.error(`${FILE} is out of step with the code: run "npm run openapi" and commit it`);
  process.exit(1);
}
