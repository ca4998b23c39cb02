// What the bench measures, one entry each. `request` makes the next request of a connection from `world`:
// the users made beforehand and a counter that never repeats in a run.
import { randomUUID } from 'node:crypto';

const RUN = randomUUID();
const any = (list) => list[Math.floor(Math.random() * list.length)];
const post = (path, body) => ({ method: 'POST', path, body: JSON.stringify(body) });
const get = (path) => ({ method: 'GET', path });

/** A user as an application would send it. */
export const newUser = (number) => ({
  external_id: `customer_${RUN}_${number}`,
  email: `user.${number}@example.com`,
  label: `User number ${number}`,
  metadata: { plan: 'team', seats: 5, source: 'signup', region: 'eu-west-1' },
});

const ECHOED = newUser(1_000_000);

/** The scenario that all others are compared to. */
export const ECHO = { name: 'echo', server: 'echo', request: () => post('/echo', ECHOED) };

export const SCENARIOS = [
  { name: 'create', server: 'service', request: (world) => post('/v1/users', newUser(world.nextNumber())) },
  { name: 'get', server: 'service', request: (world) => get(`/v1/users/${any(world.users).id}`) },
  { name: 'list', server: 'service', request: () => get('/v1/users?limit=20') },
  {
    name: 'verify',
    server: 'service',
    request: (world) => post('/v1/keys/verify', { key: any(world.users).key }),
  },
  {
    name: 'spend',
    server: 'service',
    request: (world) => post(`/v1/users/${any(world.users).id}/budget/spend`, { amount_usd: '0.01' }),
  },
  {
    name: 'consume',
    server: 'service',
    request: (world) => post(`/v1/users/${any(world.users).id}/rate-limits/requests/consume`, {}),
  },
];

/** What a user has of its own before the load comes: no spend is over budget, no consumption is refused. */
export const EQUIPMENT = [
  ['budget', { limit_usd: '100000', period: 'monthly' }],
  ['rate-limits/requests', { limit: 1_000_000_000, window_seconds: 60 }],
];
