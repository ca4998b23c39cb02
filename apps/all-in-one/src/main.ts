import {
  closeOnSignal,
  createApp,
  InvalidSetting,
  loadSettings,
  type Settings,
  startFollowing,
} from '#platform';
import { Bootstrap, type FirstStart } from '#tenant-users';
import { AllInOneModule, consumers } from './all-in-one.module.js';

const EX_CONFIG = 78; // sysexits.h: something was found in a misconfigured state

async function main(): Promise<void> {
  const settings = loadSettings(process.env);
  const app = await createApp(AllInOneModule.forRoot(settings), consumers);
  await startFollowing(app);
  const firstStart = await app.get(Bootstrap).run();
  await app.listen(settings.port, settings.host);
  console.log(greeting(await app.getUrl(), settings, firstStart));
  await closeOnSignal(app);
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

main().then(
  () => process.exit(0),
  (error: unknown) => {
    if (error instanceof InvalidSetting) {
      console.error(error.message);
      process.exit(EX_CONFIG);
    }
    console.error(error);
    process.exit(1);
  },
);
