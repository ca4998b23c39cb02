import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { given } from '#testing';
import { keyring, MAX_LIVE_KEYS } from './keyring.decide.js';
import type {
  IssueKey,
  KeyIssued,
  KeyRevoked,
  KeyRotated,
  KeyringClosed,
  KeyringEvent,
  RotateKey,
} from './keyring.js';

const SCOPE = { platform_id: 'platform', tenant_id: 'tenant' };
const BEFORE = '2026-01-15T09:00:00.000Z';
const NOW = '2026-01-15T10:00:00.000Z';
const SOON = '2026-01-15T10:10:00.000Z';
const LATER = '2026-01-15T11:00:00.000Z';

const issue = (key_id: string, changes: Partial<IssueKey> = {}): IssueKey => ({
  kind: 'issue',
  ...SCOPE,
  key_id,
  key_hash: `hash of ${key_id}`,
  key_prefix: 'tnt_user_4fQk',
  scopes: ['inference'],
  issued_at: NOW,
  expires_at: null,
  subject_key: '17',
  personal: { name: 'Laptop' },
  ...changes,
});
const issued = (key_id: string, changes: Partial<KeyIssued['data']> = {}): KeyIssued => {
  const { kind: _, ...data } = issue(key_id);
  return { type: 'keyring.key-issued.v1', data: { ...data, ...changes } };
};
const revoke = (key_id: string, at = NOW) => ({ kind: 'revoke' as const, tenant_id: 'tenant', key_id, at });
const revoked = (key_id: string): KeyRevoked => ({
  type: 'keyring.key-revoked.v1',
  data: { ...SCOPE, key_id },
});
const NEW = { key_id: 'new', key_hash: 'hash of new', key_prefix: 'tnt_user_9xYz' };
const rotate = (key_id: string, changes: Partial<RotateKey> = {}): RotateKey => ({
  kind: 'rotate',
  tenant_id: 'tenant',
  key_id,
  at: NOW,
  grace_seconds: 0,
  replacement: NEW,
  ...changes,
});
const rotated = (key_id: string, ends_at = NOW, rotated_at = NOW): KeyRotated => ({
  type: 'keyring.key-rotated.v1',
  data: { ...SCOPE, key_id, replaced_by: 'new', rotated_at, ends_at },
});
const close = (at = NOW) => ({ kind: 'close' as const, ...SCOPE, at });
const closed = (keys: number, subject_key: string | null = '17'): KeyringClosed => ({
  type: 'keyring.closed.v1',
  data: { ...SCOPE, subject_key, removed: { keys } },
});
const many = (count: number, changes: Partial<KeyIssued['data']> = {}) =>
  Array.from({ length: count }, (_, index) => issued(`key-${index}`, changes));

describe('issuing a key', () => {
  it('given no keyring, then the key is issued under the subject key that came with it', () => {
    given(keyring, [])
      .when(issue('one'))
      .then([issued('one')]);
  });

  it('given a keyring, then its own subject key is kept', () => {
    const past = [issued('one', { subject_key: '3' })];
    given(keyring, past)
      .when(issue('two'))
      .then([issued('two', { subject_key: '3' })]);
  });

  it('given an expiry that is not in the future, then it is refused', () => {
    given(keyring, [])
      .when(issue('one', { expires_at: NOW }))
      .thenRefused('invalid_input');
    given(keyring, [])
      .when(issue('one', { expires_at: LATER }))
      .then([issued('one', { expires_at: LATER })]);
  });

  it('given as many live keys as there may be, then one more is refused', () => {
    given(keyring, many(MAX_LIVE_KEYS)).when(issue('one')).thenRefused('illegal_state');
  });

  it('given as many keys of which one was revoked or has expired, then one more is issued', () => {
    given(keyring, [...many(MAX_LIVE_KEYS), revoked('key-0')])
      .when(issue('one'))
      .then([issued('one')]);
    const past = [...many(MAX_LIVE_KEYS - 1), issued('old', { issued_at: BEFORE, expires_at: NOW })];
    given(keyring, past)
      .when(issue('one'))
      .then([issued('one')]);
  });

  it('given a keyring of another tenant, then there is no such user', () => {
    given(keyring, [issued('one')])
      .when(issue('two', { tenant_id: 'other' }))
      .thenRefused('not_found');
  });

  it('given a closed keyring, then it is refused for ever', () => {
    given(keyring, [closed(0, null)])
      .when(issue('one'))
      .thenRefused('not_found');
  });
});

describe('revoking a key', () => {
  it('given the live key, then it is revoked', () => {
    given(keyring, [issued('one'), issued('two')])
      .when(revoke('one'))
      .then([revoked('one')]);
  });

  it('given no such key, one that was revoked or one that has expired, then it is not known', () => {
    given(keyring, []).when(revoke('one')).thenRefused('not_found');
    given(keyring, [issued('one')])
      .when(revoke('two'))
      .thenRefused('not_found');
    given(keyring, [issued('one'), revoked('one')])
      .when(revoke('one'))
      .thenRefused('not_found');
    given(keyring, [issued('one', { expires_at: LATER })])
      .when(revoke('one', LATER))
      .thenRefused('not_found');
  });

  it('given a keyring of another tenant or a closed one, then it is refused', () => {
    given(keyring, [issued('one')])
      .when({ ...revoke('one'), tenant_id: 'other' })
      .thenRefused('not_found');
    given(keyring, [issued('one'), closed(1)])
      .when(revoke('one'))
      .thenRefused('not_found');
  });
});

describe('rotating a key', () => {
  const past = [issued('one', { issued_at: BEFORE, expires_at: LATER, scopes: ['a', 'b'] })];
  const replaced = issued('new', { ...NEW, scopes: ['a', 'b'], expires_at: LATER });

  it('given a live key, then one like it is issued and the old one ends at once', () => {
    given(keyring, past)
      .when(rotate('one'))
      .then([rotated('one'), replaced]);
  });

  it('given a grace, then the old one ends after it', () => {
    given(keyring, past)
      .when(rotate('one', { grace_seconds: 600 }))
      .then([rotated('one', SOON), replaced]);
  });

  it('given a key in its grace, then it is not rotated again, until its end revoked, and after it not known', () => {
    const inGrace = [...past, rotated('one', SOON), replaced];
    given(keyring, inGrace).when(rotate('one')).thenRefused('illegal_state');
    given(keyring, inGrace)
      .when(revoke('one'))
      .then([revoked('one')]);
    given(keyring, inGrace)
      .when(rotate('one', { at: SOON }))
      .thenRefused('not_found');
    given(keyring, inGrace).when(revoke('one', SOON)).thenRefused('not_found');
    given(keyring, inGrace)
      .when(close(SOON))
      .then([closed(1)]);
  });

  it('given a key rotated without grace, when the clock is set back, then it is not known all the same', () => {
    given(keyring, [...past, rotated('one'), replaced])
      .when(revoke('one', BEFORE))
      .thenRefused('not_found');
  });

  it('given no such key or one that has ended, then it is not known', () => {
    given(keyring, []).when(rotate('one')).thenRefused('not_found');
    given(keyring, past).when(rotate('two')).thenRefused('not_found');
    given(keyring, past)
      .when(rotate('one', { at: LATER }))
      .thenRefused('not_found');
    given(keyring, [...past, revoked('one')])
      .when(rotate('one'))
      .thenRefused('not_found');
  });

  it('given as many live keys as there may be, then it is rotated without grace only', () => {
    given(keyring, many(MAX_LIVE_KEYS))
      .when(rotate('key-0', { grace_seconds: 1 }))
      .thenRefused('illegal_state');
    given(keyring, many(MAX_LIVE_KEYS))
      .when(rotate('key-0'))
      .then([rotated('key-0'), issued('new', NEW)]);
  });

  it('given a keyring of another tenant or a closed one, then it is refused', () => {
    given(keyring, past)
      .when(rotate('one', { tenant_id: 'other' }))
      .thenRefused('not_found');
    given(keyring, [...past, closed(1)])
      .when(rotate('one'))
      .thenRefused('not_found');
  });
});

describe('closing a keyring', () => {
  it('given live, revoked and expired keys, then it counts the live ones', () => {
    const past = [issued('one'), issued('two'), issued('three', { expires_at: LATER }), revoked('two')];
    given(keyring, past)
      .when(close(NOW))
      .then([closed(2)]);
    given(keyring, past)
      .when(close(LATER))
      .then([closed(1)]);
  });

  it('given no keyring, then it is closed all the same, with nothing let go of', () => {
    given(keyring, [])
      .when(close())
      .then([closed(0, null)]);
  });

  it('given a closed keyring, then nothing changes', () => {
    given(keyring, [issued('one'), closed(1)])
      .when(close())
      .then([]);
  });

  it('given a keyring of another tenant, then it is refused', () => {
    given(keyring, [issued('one')])
      .when({ ...close(), tenant_id: 'other' })
      .thenRefused('not_found');
  });
});

describe('the state of a keyring', () => {
  const fold = (events: readonly KeyringEvent[]) => events.reduce(keyring.evolve, keyring.initialState);

  const keysOf = (state: ReturnType<typeof fold>) =>
    state.lifecycle === 'open' ? [...state.keys.keys()] : [];
  const A_DAY_AGO = '2026-01-14T10:00:00.000Z';

  it('given keys that have ended, when one more is issued, then only live ones and those of the last day are held', () => {
    const past = [
      ...many(50, { issued_at: A_DAY_AGO, expires_at: A_DAY_AGO }),
      issued('ended', { issued_at: A_DAY_AGO, expires_at: BEFORE }),
      issued('two'),
      revoked('two'),
    ];
    expect(keysOf(fold([...past, issued('three')]))).toEqual(['ended', 'three']);
  });

  it('given a key that has expired, when the clock is set back after another was issued, then it can be revoked', () => {
    given(keyring, [issued('one', { expires_at: NOW }), issued('two')])
      .when(revoke('one', BEFORE))
      .then([revoked('one')]);
  });

  it('given an event, when it is applied, then the state before is as it was', () => {
    const before = fold([issued('one')]);
    const copy = structuredClone(before);
    for (const event of [issued('two'), rotated('one', SOON), rotated('one'), revoked('one')]) {
      keyring.evolve(before, event);
    }
    expect(before).toEqual(copy);
  });

  it('given each stored version of each event, when it is loaded, then the keyring is what it tells', () => {
    const stored = (name: string) =>
      JSON.parse(readFileSync(new URL(`./fixtures/${name}.json`, import.meta.url), 'utf8')) as KeyringEvent;
    const open = fold([stored('keyring.key-issued.v1')]);
    expect(open).toMatchObject({ lifecycle: 'open', subject_key: '17', keys: { size: 1 } });
    expect(keyring.evolve(open, stored('keyring.key-revoked.v1'))).toMatchObject({ keys: { size: 0 } });
    const old = { name: 'Key', scopes: ['inference'], expires_at: '2026-02-15T10:00:00.000Z' };
    expect(keyring.evolve(open, stored('keyring.key-rotated.v1'))).toMatchObject({
      keys: new Map([
        ['0198c0de-0000-7000-8000-000000000011', { ...old, ends_at: '2026-01-16T10:10:00.000Z' }],
      ]),
    });
    expect(keyring.evolve(open, stored('keyring.closed.v1'))).toEqual({
      lifecycle: 'closed',
      platform_id: '0198c0de-0000-7000-8000-000000000001',
      tenant_id: '0198c0de-0000-7000-8000-000000000002',
      subject_key: '17',
      removed: { keys: 1 },
    });
  });
});
