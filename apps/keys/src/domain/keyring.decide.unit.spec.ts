import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { given } from '#testing';
import { keyring, MAX_LIVE_KEYS } from './keyring.decide.js';
import type { IssueKey, KeyIssued, KeyRevoked, KeyringClosed, KeyringEvent } from './keyring.js';

const SCOPE = { platform_id: 'platform', tenant_id: 'tenant' };
const BEFORE = '2026-01-15T09:00:00.000Z';
const NOW = '2026-01-15T10:00:00.000Z';
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

  it('given keys that have ended, when one more is issued, then only live ones are held', () => {
    const past = [...many(50, { issued_at: BEFORE, expires_at: NOW }), issued('two'), revoked('two')];
    expect(fold([...past, issued('three')])).toMatchObject({ keys: new Map([['three', null]]) });
  });

  it('given an event, when it is applied, then the state before is as it was', () => {
    const before = fold([issued('one')]);
    keyring.evolve(before, issued('two'));
    keyring.evolve(before, revoked('one'));
    expect(before).toMatchObject({ keys: new Map([['one', null]]) });
  });

  it('given each stored version of each event, when it is loaded, then the keyring is what it tells', () => {
    const stored = (name: string) =>
      JSON.parse(readFileSync(new URL(`./fixtures/${name}.json`, import.meta.url), 'utf8')) as KeyringEvent;
    const open = fold([stored('keyring.key-issued.v1')]);
    expect(open).toMatchObject({ lifecycle: 'open', subject_key: '17', keys: { size: 1 } });
    expect(keyring.evolve(open, stored('keyring.key-revoked.v1'))).toMatchObject({ keys: { size: 0 } });
    expect(keyring.evolve(open, stored('keyring.closed.v1'))).toEqual({
      lifecycle: 'closed',
      platform_id: '0198c0de-0000-7000-8000-000000000001',
      tenant_id: '0198c0de-0000-7000-8000-000000000002',
      subject_key: '17',
      removed: { keys: 1 },
    });
  });
});
