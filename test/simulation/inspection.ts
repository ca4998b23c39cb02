import type { Answer, Service } from '#testing';
import { completedDeletion, type Deletion, type Page, type User, walk } from '../e2e/support.js';
import { type Key, type Ledger, microUsd, type Person, type Profile } from './ledger.js';

interface ShownKey {
  id: string;
  name: string;
  status: 'active' | 'revoked';
}

interface ShownBudget {
  limit_usd: string;
  spent_usd: string;
  held_usd: string;
  remaining_usd: string;
}

interface Transaction {
  id: string;
  type: string;
  amount_usd: string;
  balance_usd: string;
  description: string | null;
}

const PARTICIPANTS = ['keys', 'budgets', 'connections', 'vault'];

/** Asks the service what it holds of people, and compares it with what the ledger says. */
export class Inspection {
  inspected = 0;

  constructor(
    private readonly service: Service,
    private readonly ledger: Ledger,
  ) {}

  /** What was left open is known afterwards. */
  async inspect(person: Person): Promise<void> {
    this.inspected += 1;
    const answer = await this.get<User>(`/v1/users/${person.id}`);
    const shown = answer.status === 200 ? 'alive' : 'deleted';
    this.ledger.observe(person, 'the user', person.life, shown);
    if (answer.status === 404) await this.inspectDeleted(person);
    else if (answer.status === 200) await this.inspectLiving(person, answer.body);
    else this.ledger.fault(`GET was answered with ${answer.status}: ${answer.text}`, person);
  }

  /** Asks, with the last position that was acknowledged, for what must be there at once. */
  async inspectAtOnce(person: Person): Promise<void> {
    const headers = { 'tenantry-min-position': String(this.ledger.position) };
    const { status, text } = await this.service.request('GET', `/v1/users/${person.id}`, { headers });
    if (status !== (person.isAlive ? 200 : 404)) {
      this.ledger.fault(`right after the start GET was answered with ${status}: ${text}`, person);
    }
  }

  private async inspectLiving(person: Person, user: User): Promise<void> {
    const { ledger } = this;
    const { email, label, metadata, role, status, revision } = user;
    const profile = { email, label, metadata, role, status, revision } as Profile;
    ledger.observe(person, 'the profile', person.profile, profile);
    if (user.external_id !== person.externalId) ledger.fault('the external_id is another one', person);
    await Promise.all([
      this.inspectExternalId(person),
      this.inspectKeys(person, user.status),
      this.inspectBudget(person),
      this.inspectVault(person),
    ]);
  }

  private async inspectExternalId({ externalId }: Person): Promise<void> {
    if (externalId === null) return;
    const holders = this.ledger.holdersOf(externalId).filter(({ life }) => !life.couldBe('absent'));
    const living = holders.filter(({ isAlive }) => isAlive).map(({ id }) => id);
    const { body } = await this.get<Page<User>>(`/v1/users?external_id=${externalId}`);
    const shown = body.data.map(({ id }) => id);
    const known = holders.every(({ life }) => life.isCertain);
    if (known && (String(shown) !== String(living) || body.total !== living.length || living.length > 1)) {
      this.ledger.fault(`${shown} have the external_id of ${living}, total ${body.total}`);
    }
  }

  private async inspectKeys(person: Person, userStatus: string): Promise<void> {
    const { ledger } = this;
    const { rows } = await walk<ShownKey>(this.service, `/v1/users/${person.id}/keys`);
    for (const { name } of rows) if (!person.keys.has(name)) ledger.fault(`there is a key ${name}`, person);
    for (const [name, key] of person.keys) {
      const [row, again] = rows.filter((one) => one.name === name);
      if (again) ledger.fault(`${name} is there twice`, person);
      if (row && key.id !== undefined && key.id !== row.id) ledger.fault(`${name} has another id`, person);
      ledger.observe(person, name, key.state, row?.status ?? 'absent');
      key.id ??= row?.id;
    }
    const issued = [...person.keys.values()].filter(({ rawKey }) => rawKey !== undefined);
    await Promise.all(issued.map((key) => this.inspectVerification(person, key, userStatus)));
  }

  private async inspectVerification(person: Person, key: Key, userStatus: string): Promise<void> {
    const revoked = key.state.value !== 'active';
    const expected =
      revoked || userStatus !== 'active'
        ? { valid: false, code: revoked ? 'revoked' : 'user_inactive' }
        : { valid: true, key_id: key.id, user_id: person.id };
    const shown = await this.verify(key);
    const isRight = Object.entries(expected).every(([name, value]) => shown[name] === value);
    if (!isRight) this.ledger.fault(`its key verifies as ${JSON.stringify(shown)}`, person);
  }

  private async inspectBudget(person: Person): Promise<void> {
    const path = `/v1/users/${person.id}/budget`;
    const answer = await this.get<ShownBudget>(path);
    const rows =
      answer.status === 200 ? (await walk<Transaction>(this.service, `${path}/transactions`)).rows : [];
    rows.reverse();
    const { limits, spent } = this.readTransactions(person, rows);
    this.ledger.observe(person, 'the row of limits', person.limits, limits);
    this.inspectSpends(person, rows);
    if (answer.status === 404) return;
    const limit = limits.at(-1) ?? 0;
    const expected = { limit, spent, held: 0, remaining: Math.max(0, limit - spent) };
    const { limit_usd, spent_usd, held_usd, remaining_usd } = answer.body;
    const shown = [limit_usd, spent_usd, held_usd, remaining_usd].map(microUsd);
    if (String(shown) === String(Object.values(expected))) return;
    this.ledger.fault(`the budget is ${shown}, its ledger says ${JSON.stringify(expected)}`, person);
  }

  /** Oldest first. Each balance is the sum of the amounts so far, and no spend passes the limit. */
  private readTransactions(
    person: Person,
    rows: readonly Transaction[],
  ): { limits: number[]; spent: number } {
    const limits: number[] = [];
    let [balance, spent] = [0, 0];
    for (const { type, amount_usd, balance_usd } of rows) {
      const amount = microUsd(amount_usd);
      balance += amount;
      if (type === 'spend') spent -= amount;
      else limits.push((limits.at(-1) ?? 0) + amount);
      const passed = type === 'spend' && balance < 0;
      if (balance !== microUsd(balance_usd) || passed) {
        this.ledger.fault(`a ${type} of ${amount_usd} left ${balance_usd}, the sum is ${balance}`, person);
      }
    }
    return { limits, spent };
  }

  private inspectSpends(person: Person, rows: readonly Transaction[]): void {
    const { ledger } = this;
    const spends = rows.filter(({ type }) => type === 'spend');
    for (const { description } of spends) {
      if (!person.spends.has(String(description))) ledger.fault(`somebody spent ${description}`, person);
    }
    for (const [description, spend] of person.spends) {
      const [row, again] = spends.filter((one) => one.description === description);
      if (again) ledger.fault(`${description} was spent twice`, person);
      ledger.observe(person, `whether ${description} was spent`, spend.done, row !== undefined);
      if (!row) continue;
      const isOther = spend.id !== undefined && spend.id !== row.id;
      if (isOther || microUsd(row.amount_usd) !== -spend.amount) {
        ledger.fault(`${description} is ${JSON.stringify(row)}, not ${spend.id}, ${spend.amount}`, person);
      }
    }
  }

  private async inspectVault(person: Person): Promise<void> {
    const path = `/v1/users/${person.id}/vault`;
    const listed = (await walk<{ name: string }>(this.service, path)).rows.map(({ name }) => name);
    for (const name of listed) {
      if (!person.secrets.has(name)) this.ledger.fault(`there is a secret ${name}`, person);
    }
    for (const [name, secret] of person.secrets) {
      const { status, body } = await this.get<{ value: string }>(`${path}/${name}`);
      const count = listed.filter((one) => one === name).length;
      if (count !== (status === 200 ? 1 : 0)) this.ledger.fault(`${name} is listed ${count} times`, person);
      this.ledger.observe(person, name, secret, status === 200 ? body.value : null);
    }
  }

  /** The deletion ends by itself, with each participant's word, and nothing is left that works. */
  private async inspectDeleted(person: Person): Promise<void> {
    const path = `/v1/users/${person.id}`;
    this.inspectReceipt(person, await completedDeletion(this.service, String(person.id)));
    const requests: [string, string, object?][] = [
      ['GET', ''],
      ['GET', '/keys'],
      ['GET', '/budget'],
      ['GET', '/budget/transactions'],
      ['GET', '/vault'],
      ...[...person.secrets.keys()].map((name): [string, string] => ['GET', `/vault/${name}`]),
      ['POST', '/budget/spend', { amount_usd: '0.000001' }],
      ['POST', '/keys', {}],
    ];
    const refusals = requests.map(async ([method, rest, body]) => {
      const { status } = await this.service.request(method, path + rest, body ? { body } : {});
      if (status !== 404) this.ledger.fault(`${method} ${rest} of a deleted user: ${status}`, person);
    });
    const verifications = [...person.keys.values()].map(async (key) => {
      if (key.rawKey === undefined) return;
      const { valid } = await this.verify(key);
      if (valid !== false) this.ledger.fault(`the key ${key.id} of a deleted user verifies`, person);
    });
    await Promise.all([...refusals, ...verifications]);
  }

  /** Each let go of exactly what was acknowledged, give or take what was asked for at the same moment. */
  private inspectReceipt(person: Person, receipt: Deletion): void {
    const { ledger } = this;
    const { participants, personal_data_key_destroyed_at: destroyedAt, completed_at: completedAt } = receipt;
    const confirmed = participants.filter(
      ({ status, confirmed_at }) => status === 'confirmed' && confirmed_at,
    );
    if (String(confirmed.map(({ name }) => name)) !== String(PARTICIPANTS) || !destroyedAt || !completedAt) {
      ledger.fault(`the receipt is ${JSON.stringify(receipt)}`, person);
    }
    const removed: Record<string, number> = Object.assign({}, ...participants.map((one) => one.removed));
    const keys = [...person.keys.values()].map(({ state }) => state.possible.map((it) => it === 'active'));
    const secrets = [...person.secrets.values()].map(({ possible }) => possible.map((it) => it !== null));
    const budgets = [person.limits.possible.map((limits) => limits.length > 0)];
    for (const [kind, held] of Object.entries({ keys, secrets, budgets })) {
      const atLeast = held.filter((possible) => possible.every(Boolean)).length;
      const atMost = held.filter((possible) => possible.some(Boolean)).length;
      const count = removed[kind] ?? -1;
      if (count < atLeast || count > atMost) {
        ledger.fault(`${count} ${kind} were let go of, not ${atLeast} to ${atMost}`, person);
      }
    }
  }

  private async verify({ rawKey }: Key): Promise<Record<string, unknown>> {
    const { body } = await this.service.request('POST', '/v1/keys/verify', { body: { key: rawKey } });
    return body;
  }

  private get<Body>(path: string): Promise<Answer<Body>> {
    return this.service.request<Body>('GET', path);
  }
}
