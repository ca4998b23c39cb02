import { isDeepStrictEqual } from 'node:util';
import { Register } from './register.js';

export interface Profile {
  email: string;
  label: string;
  metadata: { note: string };
  role: string;
  status: 'active' | 'suspended';
  revision: number;
}

export class Key {
  /** Both known once the request that issued it was answered; the id also once it was seen in a list. */
  id: string | undefined;
  rawKey: string | undefined;
  readonly state = new Register<'absent' | 'active' | 'revoked'>('absent');
}

export class Spend {
  /** Known once it was answered. */
  id: string | undefined;
  readonly done = new Register(false);

  /** In micro-USD, as all amounts here. */
  constructor(readonly amount: number) {}
}

/** One attempt to create a user, and everything that was asked for in that user's name since. */
export class Person {
  /** Known once the creation was answered, or the user was seen. */
  id: string | undefined;
  readonly life = new Register<'absent' | 'alive' | 'deleted'>('absent');
  readonly profile: Register<Profile>;
  /** By name. */
  readonly keys = new Map<string, Key>();
  /** Every limit that the budget had, in order; none before there is a budget. */
  readonly limits = new Register<readonly number[]>([]);
  /** By description. */
  readonly spends = new Map<string, Spend>();
  /** By name; null where there is none. */
  readonly secrets = new Map<string, Register<string | null>>();
  /** How often a worker holds this user, so that only what that one asks for is in flight together. */
  holds = 0;

  constructor(
    readonly externalId: string | null,
    profile: Profile,
  ) {
    this.profile = new Register(profile);
  }

  get isAlive(): boolean {
    return this.life.isCertain && this.life.value === 'alive';
  }

  get isDeleted(): boolean {
    return this.life.isCertain && this.life.value === 'deleted';
  }

  /** Of a deleted user nothing but the end is asked any more. */
  get isCertain(): boolean {
    return this.isDeleted || (this.life.isCertain && this.registers().every(({ isCertain }) => isCertain));
  }

  private registers(): Register<unknown>[] {
    return [
      this.profile,
      this.limits,
      ...[...this.keys.values()].map(({ state }) => state),
      ...[...this.spends.values()].map(({ done }) => done),
      ...this.secrets.values(),
    ] as Register<unknown>[];
  }
}

/** What was asked of the service, what it acknowledged, and what was found wrong with that. */
export class Ledger {
  people: Person[] = [];
  /** Everyone whom a worker asked something for in this cycle. */
  readonly touched = new Set<Person>();
  readonly faults: string[] = [];
  readonly counts = { acknowledged: 0, refused: 0, unanswered: 0 };
  /** Of what was left open: what turned out to have been done, and what not. */
  readonly found = { done: 0, undone: 0 };
  /** The highest place in the log that an answer named. */
  position = 0n;
  /** In every personal text, and nowhere else. */
  readonly personalMark: string;
  /** The name of a tenant: not personal, so the service keeps it in clear. */
  readonly openMark: string;
  private texts = 0;

  constructor(random: () => number) {
    const mark = () =>
      Math.floor(random() * 2 ** 48)
        .toString(16)
        .padStart(12, '0');
    this.personalMark = `person${mark()}`;
    this.openMark = `open${mark()}`;
  }

  /** A personal text that is unlike any other. */
  text(what: string): string {
    this.texts += 1;
    return `${this.personalMark}-${what}-${this.texts}`;
  }

  /** Someone who is about to be created. */
  add(externalId: string | null): Person {
    const person = new Person(externalId, {
      email: `${this.text('email')}@example.com`,
      label: this.text('label'),
      metadata: { note: this.text('note') },
      role: this.personalMark,
      status: 'active',
      revision: 0,
    });
    this.people.push(person);
    return person;
  }

  holdersOf(externalId: string | null): Person[] {
    return externalId === null ? [] : this.people.filter((person) => person.externalId === externalId);
  }

  fault(what: string, person?: Person): void {
    this.faults.push(person ? `${what} (user ${person.id}, ${person.profile.possible[0]?.label})` : what);
  }

  /** Notes a fault unless the register could be what the service shows. */
  observe<Value>(person: Person, what: string, register: Register<Value>, shown: Value): void {
    const { possible, isCertain } = register;
    const isBefore = isDeepStrictEqual(possible[0], shown);
    if (register.observe(shown)) {
      if (!isCertain) this.found[isBefore ? 'undone' : 'done'] += 1;
      return;
    }
    const known = possible.map((one) => JSON.stringify(one)).join(' or ');
    this.fault(`${what} is ${JSON.stringify(shown)}, not ${known}`, person);
  }
}

export const microUsd = (amount: string | undefined): number => Math.round(Number(amount) * 1_000_000);
export const usd = (amount: number): string => (amount / 1_000_000).toFixed(6);

/** What was certainly spent, and what was spent at most. */
export function spentBy({ spends }: Person): { atLeast: number; atMost: number } {
  let [atLeast, atMost] = [0, 0];
  for (const { amount, done } of spends.values()) {
    if (done.couldBe(true)) atMost += amount;
    if (!done.couldBe(false)) atLeast += amount;
  }
  return { atLeast, atMost };
}
