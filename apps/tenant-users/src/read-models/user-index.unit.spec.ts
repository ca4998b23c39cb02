import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Bitmap } from './bitmap.js';
import type { ChangedUser } from './indexed-rows.js';
import { normalized, SearchTerms, termsOf } from './search-terms.js';
import type { UserRow } from './tables.js';
import { meets, type UserCondition } from './user-filter.js';
import { UserIndex } from './user-index.js';

interface Row {
  role: string;
  label: string;
  position: number;
}

/** The tables of one tenant; an answer takes as many turns as `delay` says, so that others come between. */
class Tables {
  readonly users = new Map<number, Row>();
  readonly departed = new Map<number, number>();
  #position = 0;

  constructor(private readonly delay: () => number) {}

  async #answered<Answer>(answer: Answer): Promise<Answer> {
    for (let turns = this.delay(); turns > 0; turns--) await nextTurn();
    return answer;
  }

  get head(): number {
    return this.#position;
  }

  lastChange(sequence: number): number {
    return this.users.get(sequence)?.position ?? this.departed.get(sequence) ?? 0;
  }

  create(row: Omit<Row, 'position'>): void {
    this.#position += 1;
    this.users.set(this.#position, { ...row, position: this.#position });
  }

  update(sequence: number, changes: Partial<Row>): void {
    const row = this.users.get(sequence);
    this.#position += 1;
    if (row) this.users.set(sequence, { ...row, ...changes, position: this.#position });
  }

  delete(sequence: number): void {
    this.#position += 1;
    if (this.users.delete(sequence)) this.departed.set(sequence, this.#position);
  }

  async position(): Promise<number> {
    return this.#answered(this.#position);
  }

  async sequences(condition: UserCondition | undefined, after: number, limit: number): Promise<number[]> {
    const found = [...this.users].filter(
      ([sequence, row]) =>
        sequence > after && (!condition || meets(condition, row as unknown as UserRow, new Set())),
    );
    return this.#answered(found.map(([sequence]) => sequence).slice(0, limit));
  }

  async personal(after: number, limit: number) {
    const found = [...this.users].filter(([sequence]) => sequence > after).slice(0, limit);
    return this.#answered(found.map(([sequence, { label }]) => ({ sequence, personal: { label } })));
  }

  async changes(after: number, { limit }: { limit: number }) {
    const present = [...this.users].map(([sequence, row]) => ({
      sequence,
      position: row.position,
      user: { row: row as unknown as UserRow, tags: new Set<string>(), personal: row } as ChangedUser,
    }));
    const gone = [...this.departed].map(([sequence, position]) => ({ sequence, position, user: undefined }));
    const since = [...present, ...gone].filter(({ position }) => position > after);
    return this.#answered(since.sort((one, other) => one.position - other.position).slice(0, limit));
  }
}

const role = fc.constantFrom('member', 'owner');
const label = fc.constantFrom('ann', 'anna', 'bob', 'b');
const change = fc.oneof(
  fc.record({ kind: fc.constant('create' as const), role, label }),
  fc.record({ kind: fc.constant('update' as const), at: fc.nat(), role, label }),
  fc.record({ kind: fc.constant('delete' as const), at: fc.nat() }),
);
type Change = typeof change extends fc.Arbitrary<infer Value> ? Value : never;

function apply(tables: Tables, next: Change): void {
  if (next.kind === 'create') {
    tables.create({ role: next.role, label: next.label });
    return;
  }
  const sequence = [...tables.users.keys()][next.at % Math.max(tables.users.size, 1)];
  if (sequence === undefined) return;
  if (next.kind === 'update') tables.update(sequence, { role: next.role, label: next.label });
  else tables.delete(sequence);
}

describe('the index of users', () => {
  it('given changes while others ask, then each answer holds all that was changed before the question', async () => {
    const rounds = fc.array(fc.tuple(fc.array(change, { maxLength: 8 }), fc.nat({ max: 8 })), {
      minLength: 3,
      maxLength: 12,
    });
    const delays = fc.array(fc.nat({ max: 6 }), { minLength: 5, maxLength: 40 });
    const check = async (batches: [Change[], number][], keptFrom: number, delays: number[]) => {
      let asked = 0;
      const tables = new Tables(() => delays[asked++ % delays.length] ?? 0);
      const index = new UserIndex(tables, { keptFrom, changesAtOnce: 2 });
      /** Compares the users that nothing happened to since the question. */
      const ask = async (wanted: string, prefix: string | undefined) => {
        const asked = tables.head;
        const page = { limit: 1_000, after: undefined, order: 'created_at' } as const;
        const { sequences, total } = await index.find([{ column: 'role', value: wanted }], prefix, page);
        expect(total).toBe(sequences.length);
        const settled = (sequence: number) => tables.lastChange(sequence) <= asked;
        const expected = [...tables.users]
          .filter(([, row]) => row.role === wanted && row.label.startsWith(prefix ?? ''))
          .map(([sequence]) => sequence);
        expect(sequences.filter(settled)).toEqual(expected.filter(settled));
      };
      for (const [changes, others] of batches) {
        const asking: Promise<void>[] = [];
        for (const [at, next] of changes.entries()) {
          if (at < others) asking.push(ask('owner', at % 2 === 0 ? 'b' : undefined));
          apply(tables, next);
          if (others > 0) await nextTurn();
        }
        await Promise.all(['member', 'owner'].map((wanted) => ask(wanted, undefined)));
        await ask('member', 'ann');
        await Promise.all(asking);
      }
    };
    await fc.assert(fc.asyncProperty(rounds, fc.constantFrom(0, 3), delays, check), { numRuns: 150 });
  });
});

describe('terms', () => {
  it('answer prefixes as a plain search of all of them does, whatever was put before', () => {
    const terms = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'é'), maxLength: 4 }), {
      maxLength: 3,
    });
    const puts = fc.array(fc.tuple(fc.nat({ max: 600 }), terms), { maxLength: 900, size: 'max' });
    fc.assert(
      fc.property(puts, fc.string({ unit: fc.constantFrom('a', 'b', 'é'), maxLength: 3 }), (all, prefix) => {
        const model = new Map<number, string[]>();
        const index = new SearchTerms();
        for (const [user, given] of all) {
          index.put(user, given);
          model.set(user, given);
        }
        const expected = [...model].filter(([, held]) => held.some((term) => term.startsWith(prefix)));
        const users = expected.map(([user]) => user).sort((one, other) => one - other);
        expect(index.startingWith(prefix).ascending(0, 1_000)).toEqual(users);
      }),
      { numRuns: 60 },
    );
  });

  it('hold each way to find a user once', () => {
    expect(termsOf({ first_name: 'Ann', last_name: 'LEE', label: 'ann', email: 'ann@x.org' })).toEqual([
      'ann lee',
      'ann@x.org',
      'lee',
    ]);
    expect(normalized('E\u0301VA')).toBe('\u00e9va');
  });
});

describe('a bitmap', () => {
  it('answers as a set of numbers does', () => {
    const numbers = fc.array(fc.nat({ max: 500 }));
    fc.assert(
      fc.property(numbers, numbers, fc.nat({ max: 600 }), fc.nat({ max: 20 }), (added, gone, from, limit) => {
        const [one, other] = [new Bitmap(), new Bitmap(64)];
        for (const number of added) one.add(number);
        for (const number of gone) {
          one.delete(number);
          other.add(number);
          other.add(number + 1);
        }
        const left = [...new Set(added)].filter((it) => !gone.includes(it)).sort((a, b) => a - b);
        expect(one.count).toBe(left.length);
        expect(one.ascending(from, limit)).toEqual(left.filter((it) => it >= from).slice(0, limit));
        const down = left.filter((it) => it <= from).reverse();
        expect(one.descending(from, limit)).toEqual(down.slice(0, limit));
        const both = left.filter((it) => gone.includes(it - 1));
        expect(one.and(other).ascending(0, 600)).toEqual(both);
      }),
    );
  });
});
