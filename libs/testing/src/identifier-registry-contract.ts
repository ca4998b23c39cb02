import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { derivedId, type Identifier } from '#kernel';
import { type Claim, type Holding, IdentifierRegistry } from '#privacy';
import type { SubjectKeyStoreHarness } from './subject-key-store-contract.js';

const username = (value: string, scope = 'tenant'): Identifier => ({ kind: 'user.username', scope, value });
const externalId = (value: string, scope = 'tenant'): Identifier => ({
  kind: 'user.external_id',
  scope,
  value,
});
/** A holder's id. */
const idOf = (name: string): string => derivedId(Buffer.from(name.padEnd(16)));
const by = (name: string, revision = 0): Claim => ({ holder: idOf(name), revision });
const gone = (name: string): Holding => ({ holder: idOf(name), gone: true });
const has = (identifier: Identifier, name: string, revision: number): Holding => ({
  ...identifier,
  ...by(name, revision),
});

type Registry = () => IdentifierRegistry;

function describeClaims(registry: Registry): void {
  it('given a free value, when it is claimed, then it has that holder, and no other can claim it', async () => {
    expect(await registry().holderOf(username('ann'))).toBeUndefined();
    expect(await registry().claim([username('ann')], by('one'))).toBeUndefined();
    expect(await registry().holderOf(username('ann'))).toBe(idOf('one'));
    const taken = { identifier: username('ANN'), ...by('one') };
    expect(await registry().claim([username('ANN')], by('two'))).toEqual(taken);
    expect(await registry().claim([username('ann')], by('one'))).toBeUndefined();
  });

  it('given several, then the first that is taken is told, and none is claimed', async () => {
    await registry().claim([username('b'), username('c')], by('one', 7));
    const wanted = [externalId('a'), username('c'), username('b'), username('d')];
    expect(await registry().claim(wanted, by('two'))).toEqual({
      identifier: username('c'),
      ...by('one', 7),
    });
    expect(await registry().holderOf(externalId('a'))).toBeUndefined();
    expect(await registry().holderOf(username('d'))).toBeUndefined();
  });

  it('given other spellings, scopes or kinds, then usernames are folded and all else is its own', async () => {
    await registry().claim([username('Straße'), externalId('a')], by('one'));
    expect(await registry().holderOf(username('STRASSE'))).toBe(idOf('one'));
    const others = [username('a'), username('straße', 'other'), externalId('A'), externalId('a', 'other')];
    for (const other of others) expect(await registry().holderOf(other)).toBeUndefined();
    expect(await registry().claim(others, by('two'))).toBeUndefined();
  });

  it('given 100 claims of one value at once, then one holder has it, and all others are told of it', async () => {
    const holders = Array.from({ length: 100 }, (_, index) => `holder ${index}`);
    const answers = await Promise.all(
      holders.map((holder, index) => registry().claim([externalId('x'), username(`n-${index}`)], by(holder))),
    );
    const winner = await registry().holderOf(externalId('x'));
    expect(answers.filter((answer) => answer === undefined)).toHaveLength(1);
    expect(new Set(answers.flatMap((answer) => answer?.holder ?? []))).toEqual(new Set([winner]));
    for (const [index, holder] of holders.entries()) {
      expect(await registry().holderOf(username(`n-${index}`))).toBe(
        idOf(holder) === winner ? winner : undefined,
      );
    }
  });
}

function describeReleases(registry: Registry): void {
  it('given a claim, then it is freed for its holder alone, and not by what came before it', async () => {
    await registry().claim([username('ann')], by('one', 3));
    for (const other of [by('two', 9), by('one', 2)]) await registry().release([username('ann')], other);
    expect(await registry().holderOf(username('ann'))).toBe(idOf('one'));
    await registry().release([username('ann')], by('one', 3));
    expect(await registry().holderOf(username('ann'))).toBeUndefined();
  });

  it('given a value claimed for two revisions, then the later one counts', async () => {
    for (const revision of [4, 2]) await registry().claim([username('ann')], by('one', revision));
    await registry().release([username('ann')], by('one', 3));
    expect(await registry().holderOf(username('ann'))).toBe(idOf('one'));
  });

  it('given A to B to A, when the release of the first A comes late, then it frees B alone', async () => {
    await registry().claim([externalId('1'), username('a')], by('one', 0));
    await registry().claim([username('b')], by('one', 1));
    await registry().claim([username('a')], by('one', 2));
    await registry().follow([has(username('b'), 'one', 1)]);
    expect(await registry().holderOf(username('a'))).toBe(idOf('one'));
    await registry().follow([has(username('a'), 'one', 2)]);
    const holders = [externalId('1'), username('a'), username('b')].map((it) => registry().holderOf(it));
    expect(await Promise.all(holders)).toEqual([idOf('one'), idOf('one'), undefined]);
  });

  it('given a value that is gone, or a holder that is, then its claims are free, and no others', async () => {
    const mine = [externalId('1'), username('a')];
    await registry().claim(mine, by('one'));
    await registry().claim([username('b')], by('two'));
    await registry().follow([{ kind: 'user.username', scope: 'tenant', value: null, ...by('one', 1) }]);
    expect(await Promise.all(mine.map((it) => registry().holderOf(it)))).toEqual([idOf('one'), undefined]);
    await registry().follow([gone('one')]);
    await registry().releaseHolder(idOf('nobody'));
    expect(await registry().holderOf(externalId('1'))).toBeUndefined();
    expect(await registry().holderOf(username('b'))).toBe(idOf('two'));
  });

  it('given what is held, when it is followed, then nothing is claimed by that', async () => {
    await registry().follow([has(username('ann'), 'one', 0)]);
    expect(await registry().holderOf(username('ann'))).toBeUndefined();
  });
}

const NAMES = ['one', 'two', 'three'];

/** Claims, releases and what is followed, against a list of rows. */
async function checkAgainstModel(registry: IdentifierRegistry): Promise<void> {
  const identifier = fc.oneof(
    fc.constantFrom('a', 'b', 'c').map((value) => username(value)),
    fc.constantFrom('a', 'b').map((value) => externalId(value)),
  );
  const claim = fc.tuple(fc.constantFrom(...NAMES), fc.nat(3)).map(([name, revision]) => by(name, revision));
  const step = fc.oneof(
    fc.record({
      claim,
      claimed: fc.uniqueArray(identifier, { minLength: 1, maxLength: 3, selector: keyOf }),
    }),
    fc.record({ claim, released: identifier }),
    fc.record({ claim, held: identifier }),
    fc.record({ claim, gone: fc.constant(true) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
      for (const name of NAMES) await registry.releaseHolder(idOf(name));
      const rows = new Map<string, Claim>();
      for (const { claim: made, ...given } of steps) {
        const free = (holds: (key: string) => boolean) => {
          for (const [key, row] of rows) {
            if (row.holder === made.holder && row.revision <= made.revision && holds(key)) rows.delete(key);
          }
        };
        if ('claimed' in given) {
          const taken = given.claimed.find((it) => (rows.get(keyOf(it)) ?? made).holder !== made.holder);
          const expected = taken && { identifier: taken, ...rows.get(keyOf(taken)) };
          expect(await registry.claim(given.claimed, made)).toEqual(expected);
          for (const it of taken ? [] : given.claimed) {
            const revision = Math.max(made.revision, rows.get(keyOf(it))?.revision ?? 0);
            rows.set(keyOf(it), { ...made, revision });
          }
        } else if ('released' in given) {
          await registry.release([given.released], made);
          free((key) => key === keyOf(given.released));
        } else if ('held' in given) {
          await registry.follow([{ ...given.held, ...made }]);
          free((key) => key.startsWith(given.held.kind) && key !== keyOf(given.held));
        } else {
          await registry.releaseHolder(made.holder);
          for (const [key, row] of rows) if (row.holder === made.holder) rows.delete(key);
        }
      }
      for (const it of [...'abc'].map((value) => username(value)).concat(externalId('a'), externalId('b'))) {
        expect(await registry.holderOf(it)).toBe(rows.get(keyOf(it))?.holder);
      }
    }),
    { numRuns: 60 },
  );
}

const keyOf = ({ kind, value }: Identifier): string => `${kind}:${value}`;

/** The first start on an old log. */
function describeFilling(open: () => Promise<IdentifierRegistry>): void {
  it('given an old log, then until it is filled in nobody is told who has what, and nothing is claimed', async () => {
    const registry = await open();
    const behind = { kind: 'unavailable', code: 'projection_behind' };
    await expect(registry.claim([username('ann')], by('one'))).rejects.toMatchObject(behind);
    await expect(registry.holderOf(username('ann'))).rejects.toMatchObject(behind);
    await registry.follow([has(username('ann'), 'one', 0), has(externalId('1'), 'one', 0)]);
    await registry.follow([has(username('bob'), 'one', 1)]);
    await registry.complete();
    for (const complete of [registry, await open()]) {
      expect(await complete.isComplete()).toBe(true);
      const holders = [username('ann'), username('bob'), externalId('1')].map((it) => complete.holderOf(it));
      expect(await Promise.all(holders)).toEqual([undefined, idOf('one'), idOf('one')]);
    }
  });

  it('given two holders of one value in it, then the older one keeps it, and both are named', async () => {
    const registry = await open();
    await registry.follow([
      has(username('ann'), 'one', 0),
      has(username('Ann'), 'two', 0),
      has(externalId('2'), 'two', 0),
      gone('three'),
    ]);
    await registry.complete();
    const collision = { kind: 'user.username', older: idOf('one'), younger: idOf('two') };
    expect(await (await open()).collisions()).toEqual([collision]);
    expect(await registry.holderOf(username('ann'))).toBe(idOf('one'));
    expect(await registry.holderOf(externalId('2'))).toBe(idOf('two'));
    await registry.follow([gone('one'), has(externalId('2'), 'two', 0)]);
    expect(await registry.collisions()).toEqual([collision]);
    expect(await registry.claim([username('ann')], by('two', 1))).toBeUndefined();
    await registry.follow([has(username('ann'), 'two', 1)]);
    expect(await registry.collisions()).toEqual([]);
  });
}

/** What the identifiers of every SubjectKeyStore must do; `createHarness` starts with an empty store. */
export function describeIdentifierRegistry(
  name: string,
  createHarness: () => Promise<SubjectKeyStoreHarness>,
): void {
  describe(`IdentifierRegistry contract: ${name}`, () => {
    let closings: (() => Promise<void>)[];
    let harness: SubjectKeyStoreHarness;
    let registry: IdentifierRegistry;
    const open = async (): Promise<IdentifierRegistry> => {
      const store = await harness.open();
      closings.push(() => store.close());
      return IdentifierRegistry.open(store);
    };

    beforeEach(async () => {
      closings = [];
      harness = await createHarness();
      registry = await open();
    });
    afterEach(async () => {
      for (const close of closings) await close();
      await harness.dispose();
    });

    describe('filling', () => describeFilling(open));
    describe('of a log that is followed', () => {
      beforeEach(() => registry.complete());
      describeClaims(() => registry);
      describeReleases(() => registry);
      it('given any claims and releases, then it does what a plain list does', () =>
        checkAgainstModel(registry));
    });
  });
}
