import {
  closeOnSignal,
  createApp,
  listen,
  loadSettings,
  runToEnd,
  type Settings,
  startFollowing,
} from '#platform';
import { Bootstrap, type FirstStart } from '#tenant-users';
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
  console.log(greeting(url, settings, firstStart));
  await closed;
}

function greeting(url: string, settings: Settings, firstStart: FirstStart | undefined): string {
  const lines = [`Tenantry listens on ${url}`, `The API's documentation is at ${url}/docs`];
  if (firstStart) {
    lines.push(
      '',
      `Your platform key, shown this once (it is also kept in ${settings.dataDir}/platform-key):`,
      '',
      `  ${firstStart.platformKey}`,
      '',
      'Create your first user:',
      '',
      `  curl -X POST ${url}/v1/users \\`,
      `    -H "Authorization: Bearer ${firstStart.platformKey}" \\`,
      '    -H "Content-Type: application/json" \\',
      `    -d '{"external_id": "alice_db_uuid", "email": "alice@example.com", "label": "Alice"}'`,
      '',
    );
  }
  return lines.join('\n');
}

await runToEnd(main);
