import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isTenantryError } from '#kernel';
import { given } from '#testing';
import { MAX_SECRETS, vault } from './vault.decide.js';
import type { PutSecret, SecretDeleted, SecretPut, VaultClosed, VaultCommand, VaultEvent } from './vault.js';

const SCOPE = { platform_id: 'platform', tenant_id: 'tenant' };

const put = (name: string, changes: Partial<PutSecret> = {}): PutSecret => ({
  kind: 'put',
  ...SCOPE,
  secret_id: `id-${name}`,
  subject_key: '17',
  personal: { name, value: 's3cr3t' },
  ...changes,
});
const wasPut = (name: string, version = 1, subject_key = '17'): SecretPut => ({
  type: 'vault.secret-put.v1',
  data: {
    ...SCOPE,
    name_index: `id-${name}`,
    version,
    subject_key,
    personal: { name, value: 's3cr3t' },
  },
});
const remove = (name: string) => ({ kind: 'delete' as const, tenant_id: 'tenant', name });
const wasDeleted = (name: string): SecretDeleted => ({
  type: 'vault.secret-deleted.v1',
  data: { ...SCOPE, name_index: `id-${name}` },
});
const read = (name: string) => ({ kind: 'read' as const, tenant_id: 'tenant', name });
const close = { kind: 'close' as const, ...SCOPE };
const wasClosed = (secrets: number, subject_key: string | null = '17'): VaultClosed => ({
  type: 'vault.closed.v1',
  data: { ...SCOPE, subject_key, removed: { secrets } },
});
const full = Array.from({ length: MAX_SECRETS }, (_, index) => wasPut(`name-${index}`));
const fold = (events: readonly VaultEvent[]) => events.reduce(vault.evolve, vault.initialState);

describe('reading a secret', () => {
  it('given the secret, then the version that is read is on record', () => {
    given(vault, [wasPut('one'), wasPut('one', 2)])
      .when(read('one'))
      .then([{ type: 'vault.secret-read.v1', data: { ...SCOPE, name_index: 'id-one', version: 2 } }]);
  });

  it.each([
    ['no vault', []],
    ['another secret', [wasPut('two')]],
    ['the secret was deleted', [wasPut('one'), wasDeleted('one')]],
    ['the vault is closed', [wasPut('one'), wasClosed(1)]],
  ])('given %s, then there is nothing to read', (_, past) => {
    given(vault, past).when(read('one')).thenRefused('not_found');
  });
});

describe('putting a secret', () => {
  it('given no vault, then it is the first version, under the subject key that came with it', () => {
    given(vault, [])
      .when(put('one'))
      .then([wasPut('one')]);
  });

  it('given a vault, then its own subject key is kept', () => {
    given(vault, [wasPut('one', 1, '3')])
      .when(put('two'))
      .then([wasPut('two', 1, '3')]);
  });

  it('given the secret, then it is replaced by the next version', () => {
    given(vault, [wasPut('one'), wasPut('one', 2), wasPut('two')])
      .when(put('one'))
      .then([wasPut('one', 3)]);
  });

  it('given the secret, when it is put under another id, then it keeps its own', () => {
    given(vault, [wasPut('one')])
      .when(put('one', { secret_id: 'other' }))
      .then([wasPut('one', 2)]);
  });

  it('given a secret whose text cannot be opened, then it has no name, and a new one takes it', () => {
    const unreadable = { ...wasPut('one'), data: { ...wasPut('one').data, personal: null } };
    given(vault, [unreadable]).when(read('one')).thenRefused('illegal_state');
    given(vault, [unreadable]).when(remove('one')).thenRefused('illegal_state');
    const made = wasPut('one');
    given(vault, [unreadable])
      .when(put('one', { secret_id: 'new' }))
      .then([{ ...made, data: { ...made.data, name_index: 'new' } }]);
  });

  it('given the secret was deleted, then it is a new one', () => {
    given(vault, [wasPut('one'), wasPut('one', 2), wasDeleted('one')])
      .when(put('one'))
      .then([wasPut('one')]);
  });

  it('given as many secrets as there may be, then one more is refused and one of them is replaced', () => {
    given(vault, full).when(put('one')).thenRefused('illegal_state');
    given(vault, full)
      .when(put('name-0'))
      .then([wasPut('name-0', 2)]);
    given(vault, [...full, wasDeleted('name-0')])
      .when(put('one'))
      .then([wasPut('one')]);
  });

  it('given a vault of another tenant or a closed one, then there is no such user', () => {
    given(vault, [wasPut('one')])
      .when(put('one', { tenant_id: 'other' }))
      .thenRefused('not_found');
    given(vault, [wasClosed(0, null)])
      .when(put('one'))
      .thenRefused('not_found');
  });
});

describe('deleting a secret', () => {
  it('given the secret, then it is deleted', () => {
    given(vault, [wasPut('one'), wasPut('two')])
      .when(remove('one'))
      .then([wasDeleted('one')]);
  });

  it.each<[string, VaultEvent[]]>([
    ['no vault', []],
    ['no such secret', [wasPut('two')]],
    ['that it was deleted', [wasPut('one'), wasDeleted('one')]],
    ['a closed vault', [wasPut('one'), wasClosed(1)]],
  ])('given %s, then it is not found', (_, past) => {
    given(vault, past).when(remove('one')).thenRefused('not_found');
  });

  it('given a vault of another tenant, then there is no such user', () => {
    given(vault, [wasPut('one')])
      .when({ ...remove('one'), tenant_id: 'other' })
      .thenRefused('not_found');
  });
});

describe('closing a vault', () => {
  it('given secrets that were put, replaced and deleted, then it counts those that there are', () => {
    const past = [wasPut('one'), wasPut('two'), wasPut('two', 2), wasPut('three'), wasDeleted('one')];
    given(vault, past)
      .when(close)
      .then([wasClosed(2)]);
  });

  it('given no vault, then it is closed all the same, with nothing let go of', () => {
    given(vault, [])
      .when(close)
      .then([wasClosed(0, null)]);
  });

  it('given a closed vault, then nothing changes', () => {
    given(vault, [wasPut('one'), wasClosed(1)])
      .when(close)
      .then([]);
  });

  it('given a vault of another tenant, open or closed, then it is refused', () => {
    const foreign = { ...close, tenant_id: 'other' };
    given(vault, [wasPut('one')])
      .when(foreign)
      .thenRefused('not_found');
    given(vault, [wasClosed(0, null)])
      .when(foreign)
      .thenRefused('not_found');
  });
});

describe('the state of a vault', () => {
  it('given a secret, then its value is not held', () => {
    expect(fold([wasPut('one')])).toEqual({
      lifecycle: 'open',
      ...SCOPE,
      subject_key: '17',
      secrets: new Map([['id-one', { name: 'one', version: 1 }]]),
    });
  });

  it('given an event, when it is applied, then the state before is as it was', () => {
    const before = fold([wasPut('one')]);
    vault.evolve(before, wasPut('two'));
    vault.evolve(before, wasDeleted('one'));
    expect(before).toMatchObject({ secrets: new Map([['id-one', { name: 'one', version: 1 }]]) });
  });

  it('given each stored version of each event, when it is loaded, then the vault is what it tells', () => {
    const stored = (name: string) =>
      JSON.parse(readFileSync(new URL(`./fixtures/${name}.json`, import.meta.url), 'utf8')) as VaultEvent;
    const open = fold([stored('vault.secret-put.v1')]);
    const index = 'n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg';
    expect(open).toMatchObject({
      subject_key: '17',
      secrets: new Map([[index, { name: 'bank', version: 1 }]]),
    });
    expect(vault.evolve(open, stored('vault.secret-read.v1'))).toEqual(open);
    expect(vault.evolve(open, stored('vault.secret-deleted.v1'))).toMatchObject({ secrets: new Map() });
    expect(vault.evolve(open, stored('vault.closed.v1'))).toEqual({
      lifecycle: 'closed',
      platform_id: '0198c0de-0000-7000-8000-000000000001',
      tenant_id: '0198c0de-0000-7000-8000-000000000002',
      subject_key: '17',
      removed: { secrets: 1 },
    });
  });

  const name = fc.constantFrom('a', 'b', 'c');
  const command: fc.Arbitrary<VaultCommand> = fc.oneof(
    { weight: 12, arbitrary: name.map((it) => put(it)) },
    { weight: 8, arbitrary: name.map(remove) },
    { weight: 4, arbitrary: name.map(read) },
    { weight: 1, arbitrary: fc.constant(close) },
  );

  it('given any commands, then it holds what a plain map would, and nothing follows the closing', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 40 }), (commands) => {
        const model = new Map<string, { name: string; version: number }>();
        const events: VaultEvent[] = [];
        for (const one of commands) {
          try {
            events.push(...vault.decide(one, fold(events)));
          } catch (error) {
            const isClosed = events.at(-1)?.type === 'vault.closed.v1';
            const isMissing = (one.kind === 'delete' || one.kind === 'read') && !model.has(`id-${one.name}`);
            expect(isTenantryError(error) && (isClosed || isMissing)).toBe(true);
            continue;
          }
          if (one.kind === 'put') {
            const { name } = one.personal;
            model.set(`id-${name}`, { name, version: (model.get(`id-${name}`)?.version ?? 0) + 1 });
          }
          if (one.kind === 'delete') model.delete(`id-${one.name}`);
        }
        const closings = events.filter(({ type }) => type === 'vault.closed.v1');
        if (closings.length === 0) {
          expect(fold(events)).toEqual(
            events.length === 0 ? vault.initialState : expect.objectContaining({ secrets: model }),
          );
        } else {
          expect(events.indexOf(closings[0]!)).toBe(events.length - 1);
          expect(fold(events)).toMatchObject({ removed: { secrets: model.size } });
        }
      }),
    );
  });
});
