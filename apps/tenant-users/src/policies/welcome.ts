import type { Settings } from '#platform';
import type { FirstStart } from './bootstrap.js';

/** What the first start has to tell whoever made it; `url` is where the API can be reached. */
export const welcome = (url: string, { dataDir }: Settings, { platformKey }: FirstStart): string =>
  [
    '',
    `Your platform key, shown this once (it is also kept in ${dataDir}/platform-key):`,
    '',
    `  ${platformKey}`,
    '',
    'Create your first user:',
    '',
    `  curl -X POST ${url}/v1/users \\`,
    `    -H "Authorization: Bearer ${platformKey}" \\`,
    '    -H "Content-Type: application/json" \\',
    `    -d '{"external_id": "alice_db_uuid", "email": "alice@example.com", "label": "Alice"}'`,
    '',
  ].join('\n');
