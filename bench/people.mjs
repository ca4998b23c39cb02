// The users that the measurements are made with.
import { randomUUID } from 'node:crypto';

/** Never the one of a run before, whose users a data dir may hold. */
const RUN = randomUUID();
const SYLLABLES = ['an', 'bel', 'cor', 'dri', 'el', 'fa', 'gus', 'ka', 'li', 'mar', 'no', 'ri', 'sol', 'to'];

export const PLANS = ['free', 'team', 'pro'];
export const CITIES = Array.from({ length: 50 }, (_, number) => `city-${number}`);
export const ROLES = ['member', 'owner', 'guest'];
export const TEAMS = ['red', 'blue', 'green', 'sales', 'support'];

export const any = (list) => list[Math.floor(Math.random() * list.length)];
export const externalId = (number) => `customer_${RUN}_${number}`;

const name = () => Array.from({ length: 2 + Math.floor(Math.random() * 2) }, () => any(SYLLABLES)).join('');

/** How some of the names begin. */
export const prefix = () => name().slice(0, 3 + Math.floor(Math.random() * 3));

/** The creates that are measured, as a small application would send them. */
export const newUser = (number) => ({
  external_id: externalId(number),
  email: `user.${number}@example.com`,
  label: `User number ${number}`,
  metadata: { plan: 'team', seats: 5, source: 'signup', region: 'eu-west-1' },
});

/** The users that lists, searches and filters choose from. */
export const person = (number) => {
  const [first, last] = [name(), name()];
  return {
    external_id: externalId(number),
    email: `${first}.${last}.${number}@example.com`,
    first_name: first,
    last_name: last,
    label: `${first} ${last}`,
    role: any(ROLES),
    teams: [TEAMS[number % TEAMS.length], TEAMS[(number + 1) % TEAMS.length]],
    metadata: { plan: any(PLANS), city: any(CITIES), account: number },
  };
};
