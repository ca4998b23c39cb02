// What the bench measures, one entry each. `request` makes the next request of a connection from `world`: the users
// and the cursors made beforehand and a counter that never repeats. `steps` are requests in a row that count as one;
// each sees the body of the first answer. `holds` tells the answers that are none in spite of their 2xx.
import { any, CITIES, newUser, PLANS, person, prefix } from './people.mjs';

const post = (path, body) => ({ method: 'POST', path, body: JSON.stringify(body) });
const put = (path, body) => ({ method: 'PUT', path, body: JSON.stringify(body) });
const patch = (path, body) => ({ method: 'PATCH', path, body: JSON.stringify(body) });
const get = (path) => ({ method: 'GET', path });

const BUDGET = { limit_usd: '100000', period: 'monthly' };
const ECHOED = newUser(1_000_000);

/** The scenario that all others are compared to. */
export const ECHO = { name: 'echo', server: 'echo', request: () => post('/echo', ECHOED) };

const create = (world) => post('/v1/users', newUser(world.nextNumber()));
const pathOf = (world, path = '') => `/v1/users/${any(world.users).id}${path}`;
const page = (world, filter = '') => get(`/v1/users?limit=20${filter}&cursor=${any(world.cursors)}`);

/** `fills`: it makes users, in a tenant that is not the one of the lists. */
export const SCENARIOS = [
  { name: 'create', fills: true, request: create },
  { name: 'create-1', fills: true, connections: 1, request: create },
  { name: 'create-256', fills: true, connections: 256, request: create },
  {
    name: 'create3',
    fills: true,
    steps: [
      create,
      (_, { id }) => post(`/v1/users/${id}/keys`, { name: 'bench' }),
      (_, { id }) => put(`/v1/users/${id}/budget`, BUDGET),
    ],
  },
  {
    name: 'patch',
    request(world) {
      const number = world.nextNumber();
      return patch(pathOf(world), { label: `User ${number}`, metadata: { plan: any(PLANS), seats: number } });
    },
  },
  { name: 'get', request: (world) => get(pathOf(world)) },
  { name: 'list', request: (world) => page(world) },
  {
    name: 'list-filtered',
    request: (world) => page(world, any([`&metadata[plan]=${any(PLANS)}`, `&metadata[city]=${any(CITIES)}`])),
  },
  { name: 'search', request: () => get(`/v1/users?limit=20&q=${prefix()}`) },
  {
    name: 'verify',
    request: (world) => post('/v1/keys/verify', { key: any(world.users).key }),
    holds: (body) => body.includes('"valid":true'),
  },
  { name: 'spend', request: (world) => post(pathOf(world, '/budget/spend'), { amount_usd: '0.01' }) },
  {
    name: 'consume',
    request: (world) => post(pathOf(world, '/rate-limits/requests/consume'), {}),
    holds: (body) => body.includes('"allowed":true'),
  },
  // By bench/receipts.mjs.
  { name: 'delete', deletes: true },
].map((scenario) => ({ server: 'service', ...scenario }));

/** Fills a tenant; nothing that is measured for its own sake by `npm run bench`. */
export const FILL = {
  name: 'fill',
  server: 'service',
  request: (world) => post('/v1/users', person(world.nextNumber())),
};

/** What a user has of its own before the load comes: no spend is over budget, no consumption is refused. */
export const EQUIPMENT = [
  ['budget', BUDGET],
  ['rate-limits/requests', { limit: 1_000_000_000, window_seconds: 60 }],
];
