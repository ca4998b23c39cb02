import { Key, microUsd, type Person, type Profile, Spend, spentBy, usd } from './ledger.js';
import { Register } from './register.js';
import type { Action, Traffic, Write } from './traffic.js';

/** What else may be answered to a request in the name of somebody who is being deleted at the same time. */
const OR_GONE = [404];
const MAX_AMOUNT = 4_000_000;
const MAX_LIMIT = 20_000_000;
const SECRETS_OF_ONE = 3;

async function create(traffic: Traffic, person: Person): Promise<Write | undefined> {
  const { externalId } = person;
  const { email, label, metadata, role } = person.profile.value;
  const body = { email, label, metadata, role, ...(externalId !== null && { external_id: externalId }) };
  let answer: Write | undefined;
  await traffic.hold([person], async () => {
    answer = await person.life.change('alive', traffic.write('POST', '/v1/users', body));
    if (answer?.status === 201) person.id = answer.body.id;
  });
  return answer;
}

const createOne: Action = async (traffic) => {
  const person = traffic.ledger.add(traffic.random() < 0.6 ? traffic.ledger.text('external') : null);
  traffic.expect(await create(traffic, person), [201], 'a creation', person);
};

/** Two at once with one external_id: at most one of them is created, and the other is told of it. */
async function createTwins(traffic: Traffic, externalId: string): Promise<void> {
  const { ledger } = traffic;
  const twins = [ledger.add(externalId), ledger.add(externalId)];
  // Both are held until both are settled: were one deleted in between, the other could be created too.
  await traffic.hold(twins, async () => {
    const answers = await Promise.all(twins.map((twin) => create(traffic, twin)));
    if (answers.every((answer) => answer?.status === 201)) {
      ledger.fault('two users were created with one external_id', twins[0]);
    }
    const winner = twins.find((_, index) => answers[index]?.status !== 409);
    for (const answer of answers) {
      traffic.expect(answer, [201, 409], 'a creation of twins', winner);
      if (answer?.status !== 409) continue;
      // Whoever is in somebody's way is there, also when the answer that said so was lost.
      winner?.life.observe('alive');
      if (winner) winner.id ??= answer.body.existing_id;
      if (winner?.id !== answer.body.existing_id) ledger.fault('existing_id is of neither twin', winner);
    }
  });
}

/** Refused, with the id of who has the external_id. */
async function createDuplicate(traffic: Traffic, holder: Person): Promise<void> {
  const answer = await create(traffic, traffic.ledger.add(holder.externalId));
  if (!traffic.expect(answer, [409], 'a creation under an external_id that is taken', holder)) return;
  if (answer?.body.existing_id !== holder.id) traffic.ledger.fault('existing_id is of somebody else', holder);
}

/** The external_id of somebody who was deleted is free again, and the new user is another one. */
async function createAgain(traffic: Traffic, deleted: Person): Promise<void> {
  const { externalId } = deleted;
  const holders = traffic.ledger.holdersOf(externalId);
  if (externalId === null || !holders.every(({ life }) => life.isCertain && life.value !== 'alive')) return;
  if (holders.some((holder) => holder.holds > 0 && holder !== deleted)) return;
  await traffic.hold(holders, async () => {
    if (traffic.random() < 0.3) return createTwins(traffic, externalId);
    const person = traffic.ledger.add(externalId);
    const answer = await create(traffic, person);
    if (!traffic.expect(answer, [201], 'a creation under an external_id that is free again', person)) return;
    if (holders.some(({ id }) => id === person.id))
      traffic.ledger.fault('it has the id of a deleted user', person);
  });
}

async function change(
  traffic: Traffic,
  person: Person,
  changes: Partial<Profile>,
  also: readonly number[] = [],
): Promise<Write | undefined> {
  const before = person.profile.value;
  const next = { ...before, ...changes, revision: before.revision + 1 };
  const answer = await person.profile.change(next, traffic.write('PATCH', `/v1/users/${person.id}`, changes));
  traffic.expect(answer, [200, ...also], 'a change', person);
  return answer;
}

function changeAnything(traffic: Traffic, person: Person): Promise<unknown> {
  const { ledger } = traffic;
  const suspended = person.profile.value.status === 'suspended';
  return change(
    traffic,
    person,
    traffic.oneOf<Partial<Profile>>([
      { label: ledger.text('label') },
      { email: `${ledger.text('email')}@example.com`, metadata: { note: ledger.text('note') } },
      { status: suspended ? 'active' : 'suspended' },
    ]),
  );
}

async function issueKey(
  traffic: Traffic,
  person: Person,
  also: readonly number[] = [],
): Promise<Write | undefined> {
  const name = traffic.ledger.text('key');
  const key = new Key();
  person.keys.set(name, key);
  const path = `/v1/users/${person.id}/keys`;
  const answer = await key.state.change('active', traffic.write('POST', path, { name }));
  traffic.expect(answer, [201, ...also], 'a key', person);
  if (answer?.status === 201) [key.id, key.rawKey] = [answer.body.id, answer.body.raw_key];
  return answer;
}

async function revokeKey(traffic: Traffic, person: Person): Promise<unknown> {
  const active = [...person.keys.values()].filter(({ state }) => state.value === 'active');
  if (active.length === 0) return issueKey(traffic, person);
  const key = traffic.oneOf(active);
  const path = `/v1/users/${person.id}/keys/${key.id}`;
  const answer = await key.state.change('revoked', traffic.write('DELETE', path));
  traffic.expect(answer, [204], 'a revocation', person);
}

/** Never the limit that it has, so that each leaves a row in the ledger. */
async function setBudget(traffic: Traffic, person: Person): Promise<void> {
  const limits = person.limits.value;
  const drawn = traffic.integer(0, MAX_LIMIT);
  const limit = drawn === limits.at(-1) ? drawn + 1 : drawn;
  const body = { limit_usd: usd(limit), period: 'none' };
  const request = traffic.write('PUT', `/v1/users/${person.id}/budget`, body);
  const answer = await person.limits.change([...limits, limit], request);
  if (!traffic.expect(answer, [200], 'a budget', person)) return;
  if (microUsd(answer?.body.limit_usd) !== limit) traffic.ledger.fault('it was given another limit', person);
}

interface Spent {
  amount: number;
  answer: Write | undefined;
}

async function spendOnce(traffic: Traffic, person: Person, also: readonly number[] = []): Promise<Spent> {
  const description = traffic.ledger.text('spend');
  const amount = traffic.integer(1, MAX_AMOUNT);
  const spend = new Spend(amount);
  person.spends.set(description, spend);
  const body = { amount_usd: usd(amount), description };
  const answer = await spend.done.change(
    true,
    traffic.write('POST', `/v1/users/${person.id}/budget/spend`, body),
  );
  traffic.expect(answer, [201, 409, ...also], 'a spend', person);
  if (answer?.status === 201) spend.id = answer.body.id;
  return { amount, answer };
}

/** Some at once. The limit is never passed by them, and none is refused that would have fitted. */
async function spend(traffic: Traffic, person: Person): Promise<void> {
  const limit = person.limits.value.at(-1) ?? 0;
  const active = person.profile.value.status === 'active';
  const before = spentBy(person).atLeast;
  const burst = Array.from({ length: traffic.integer(1, 3) }, () => spendOnce(traffic, person));
  const spends = await Promise.all(burst);
  const { atLeast, atMost } = spentBy(person);
  if (atLeast > before && (atLeast > limit || !active)) {
    traffic.ledger.fault(
      `${atLeast} of ${limit} were spent while ${active ? 'active' : 'suspended'}`,
      person,
    );
  }
  for (const { amount, answer } of spends) {
    if (answer?.status !== 409) continue;
    const { code } = answer.body;
    const due = active ? code === 'over_budget' && atMost + amount > limit : code === 'illegal_state';
    if (!due)
      traffic.ledger.fault(`${amount} was refused as ${code} with ${atMost} of ${limit} spent`, person);
  }
}

async function putSecret(
  traffic: Traffic,
  person: Person,
  also: readonly number[] = [],
): Promise<Write | undefined> {
  const { secrets } = person;
  const names = [...secrets.keys()];
  const name = names.length < SECRETS_OF_ONE ? traffic.ledger.text('name') : traffic.oneOf(names);
  const secret = secrets.get(name) ?? new Register<string | null>(null);
  secrets.set(name, secret);
  const value = traffic.ledger.text('secret');
  const path = `/v1/users/${person.id}/vault/${name}`;
  const answer = await secret.change(value, traffic.write('PUT', path, { value }));
  traffic.expect(answer, [204, ...also], 'a secret', person);
  return answer;
}

async function deleteSecret(traffic: Traffic, person: Person): Promise<void> {
  const [name, secret] = traffic.oneOf([...person.secrets]);
  const expected = secret.value === null ? 404 : 204;
  const request = traffic.write('DELETE', `/v1/users/${person.id}/vault/${name}`);
  traffic.expect(await secret.change(null, request), [expected], 'the deletion of a secret', person);
}

async function remove(traffic: Traffic, person: Person): Promise<void> {
  const answer = await person.life.change('deleted', traffic.write('DELETE', `/v1/users/${person.id}`));
  if (!traffic.expect(answer, [202], 'a deletion', person)) return;
  if (answer?.body.user_id !== person.id) traffic.ledger.fault('the receipt is of somebody else', person);
}

/** What is asked for at the same moment either comes before the end, and goes with it, or is refused. */
async function removeUnderFire(traffic: Traffic, person: Person): Promise<void> {
  const hasBudget = person.limits.value.length > 0;
  const under = [
    issueKey(traffic, person, OR_GONE),
    putSecret(traffic, person, OR_GONE),
    ...(hasBudget ? [spendOnce(traffic, person, OR_GONE).then(({ answer }) => answer)] : []),
  ];
  const deletion = remove(traffic, person);
  const fire = [
    change(traffic, person, { label: traffic.ledger.text('label') }, OR_GONE),
    issueKey(traffic, person, OR_GONE),
  ];
  await deletion;
  const answers = await Promise.all([...under, ...fire]);
  // Whoever was once told that the user is gone must find that so for ever.
  if (answers.some((answer) => answer?.status === 404)) person.life.observe('deleted');
}

/** Whoever is gone takes nothing any more. */
async function disturb(traffic: Traffic, person: Person): Promise<void> {
  const path = `/v1/users/${person.id}`;
  const [method, rest, body] = traffic.oneOf<[string, string, object?]>([
    ['DELETE', ''],
    ['PATCH', '', { label: traffic.ledger.text('label') }],
    ['POST', '/keys', { name: traffic.ledger.text('key') }],
    ['PUT', '/budget', { limit_usd: '1.00', period: 'none' }],
    ['POST', '/budget/spend', { amount_usd: '0.01' }],
    ['PUT', `/vault/${traffic.ledger.text('name')}`, { value: traffic.ledger.text('secret') }],
  ]);
  const answer = await traffic.write(method, path + rest, body);
  traffic.expect(answer, [404], `${method} ${rest} for a deleted user`, person);
}

/** With somebody whom it fits; with nobody there is one more user. */
const withSomeone =
  (fits: (person: Person) => boolean, act: (traffic: Traffic, person: Person) => Promise<unknown>): Action =>
  async (traffic) => {
    const person = traffic.pick(fits);
    return person ? traffic.hold([person], () => act(traffic, person)) : createOne(traffic);
  };

const alive = ({ isAlive }: Person): boolean => isAlive;

const MIX: readonly (readonly [weight: number, action: Action])[] = [
  [20, createOne],
  [4, (traffic) => createTwins(traffic, traffic.ledger.text('external'))],
  [4, withSomeone((person) => alive(person) && person.externalId !== null, createDuplicate)],
  [6, withSomeone((person) => person.isDeleted && person.externalId !== null, createAgain)],
  [10, withSomeone(alive, changeAnything)],
  [12, withSomeone(alive, issueKey)],
  [6, withSomeone(alive, revokeKey)],
  [8, withSomeone(alive, setBudget)],
  [14, withSomeone((person) => alive(person) && person.limits.value.length > 0, spend)],
  [10, withSomeone(alive, putSecret)],
  [4, withSomeone((person) => alive(person) && person.secrets.size > 0, deleteSecret)],
  [4, withSomeone(alive, remove)],
  [5, withSomeone((person) => alive(person) && person.profile.value.status === 'active', removeUnderFire)],
  [3, withSomeone(({ isDeleted }) => isDeleted, disturb)],
];

const TOTAL_WEIGHT = MIX.reduce((sum, [weight]) => sum + weight, 0);

export function chooseAction(random: () => number): Action {
  let left = random() * TOTAL_WEIGHT;
  for (const [weight, action] of MIX) {
    left -= weight;
    if (left < 0) return action;
  }
  return createOne;
}
