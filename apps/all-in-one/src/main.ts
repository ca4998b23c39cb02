import { closeOnSignal, createApp, listen, loadSettings, runToEnd, startFollowing } from '#platform';
import { Bootstrap, welcome } from '#tenant-users';
import { AllInOneModule, consumers } from './all-in-one.module.js';

async function main(): Promise<void> {
  const settings = loadSettings(process.env);
  const app = await createApp(AllInOneModule.forRoot(settings), consumers);
  // From here on a signal is heeded, also one that comes while the service starts.
  const closed = closeOnSignal(app);
  await startFollowing(app);
  // Before it listens, so that whoever finds it ready finds the first platform's key at work.
  const firstStart = await app.get(Bootstrap).run();
  const url = await listen(app, settings);
  const lines = [`Tenantry listens on ${url}`, `The API's documentation is at ${url}/docs`];
  if (firstStart) lines.push(welcome(url, settings, firstStart));
  // At once, so that whoever waits for the first line has them all.
  console.log(lines.join('\n'));
  await closed;
}

await runToEnd(main);
