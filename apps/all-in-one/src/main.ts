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
  console.log(`Tenantry listens on ${url}\nThe API's documentation is at ${url}/docs`);
  if (firstStart) console.log(welcome(url, settings, firstStart));
  await closed;
}

await runToEnd(main);
