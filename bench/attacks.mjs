// Requests that are as heavy as one key may send, as scenarios of the load. Each is sent by any of the task's users,
// with the key of its tenant: { id, key, revisions, pages, cursors }, the last three as far as the attack needs them.
import { any } from './people.mjs';

const METADATA_BYTES = 15_900;
const SEVERAL = 40;
const MOST_ENTRIES = 1_000;
/** More than the service takes. */
const LARGEST_BODY = JSON.stringify({ label: 'x'.repeat(2 ** 20) });
/** The longest body that is parsed; then it is refused. */
const LONGEST_BODY = JSON.stringify({ metadata: { text: 'x'.repeat(255 * 1_024) } });

/** Nearly 16 KiB, in so many entries. */
export const metadata = (entries, number) => {
  const [share, name] = [Math.floor(METADATA_BYTES / entries), (at) => `k${at}`];
  const text = (at) => `${number}-`.padEnd(Math.max(1, share - name(at).length - 6), 'x');
  return Object.fromEntries(Array.from({ length: entries }, (_, at) => [name(at), text(at)]));
};

const of = (user, method, path, body) => ({
  method,
  path,
  body: typeof body === 'object' ? JSON.stringify(body) : body,
  headers: { authorization: `Bearer ${user.key}`, 'content-type': 'application/json' },
});

const REQUESTS = {
  patches: (user, number) =>
    of(user, 'PATCH', `/v1/users/${user.id}`, { metadata: metadata(SEVERAL, number) }),
  'large creates': (user, number) =>
    of(user, 'POST', '/v1/users', { metadata: metadata(MOST_ENTRIES, number) }),
  history: (user) => of(user, 'GET', `/v1/users/${user.id}/events?limit=100${any(user.pages)}`),
  'history by one': (user) => of(user, 'GET', `/v1/users/${user.id}/events?limit=1${any(user.pages)}`),
  'as of': (user) =>
    of(user, 'GET', `/v1/users/${user.id}?revision=${Math.floor(Math.random() * user.revisions)}`),
  'as of a time': (user) =>
    of(
      user,
      'GET',
      `/v1/users/${user.id}?at=${new Date(user.since + Math.random() * user.lasted).toISOString()}`,
    ),
  lists: (user) => of(user, 'GET', `/v1/users?limit=100${any(user.cursors)}`),
  'filtered lists': (user) =>
    of(user, 'GET', `/v1/users?limit=100&metadata[none]=1&role=member&status=active${any(user.cursors)}`),
  'bodies of 1 MiB': (user) => of(user, 'POST', '/v1/users', LARGEST_BODY),
  'bodies of 255 KiB': (user) => of(user, 'POST', '/v1/users', LONGEST_BODY),
};
const ALL = Object.values(REQUESTS);

/** Any answer is one: what is refused has been worked for too. */
const scenario = (name, request) => ({
  name,
  server: 'service',
  request: (world) => request(any(world.users), world.nextNumber()),
});

export const ATTACKS = [
  ...Object.entries(REQUESTS).map(([name, request]) => scenario(name, request)),
  scenario('all of it', (user, number) => any(ALL)(user, number)),
];
