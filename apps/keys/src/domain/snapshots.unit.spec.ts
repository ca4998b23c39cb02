import { readFileSync } from 'node:fs';
import { describe, it } from '@jest/globals';
import fc from 'fast-check';
import { checkSnapshots, expectForm } from '#testing';
import { keyring } from './keyring.decide.js';
import type { KeyringCommand, KeyringEvent } from './keyring.js';

const scope = { platform_id: 'platform', tenant_id: 'tenant' };
const id = fc.constantFrom('a', 'b', 'c', 'd');
const at = fc
  .integer({ min: 0, max: 100 })
  .map((hours) => new Date(Date.UTC(2026, 0, 1) + hours * 3_600_000).toISOString());

const issue = fc.record({ key_id: id, issued_at: at, expires_at: fc.option(at), name: fc.string() });
const rotate = fc.record({ key_id: id, at, grace_seconds: fc.nat(100_000), replacement: id });
const command: fc.Arbitrary<KeyringCommand> = fc.oneof(
  {
    weight: 8,
    arbitrary: issue.map(({ name, ...times }) => ({
      kind: 'issue' as const,
      ...scope,
      ...times,
      key_hash: 'hash',
      key_prefix: 'prefix',
      scopes: ['inference'],
      subject_key: '17',
      personal: { name },
    })),
  },
  {
    weight: 4,
    arbitrary: rotate.map(({ replacement: key_id, ...rest }) => ({
      kind: 'rotate' as const,
      tenant_id: 'tenant',
      ...rest,
      replacement: { key_id, key_hash: 'hash', key_prefix: 'prefix' },
    })),
  },
  {
    weight: 4,
    arbitrary: fc
      .record({ key_id: id, at })
      .map((key) => ({ kind: 'revoke' as const, tenant_id: 'tenant', ...key })),
  },
  { weight: 1, arbitrary: at.map((time) => ({ kind: 'close' as const, ...scope, at: time })) },
);

describe('snapshots of keyrings', () => {
  it('given any commands, then a state from its snapshot is like one from its events', () => {
    checkSnapshots(keyring, command);
  });

  it('given a stored life, then the form is the one of its version', () => {
    const past = ['keyring.key-issued.v1', 'keyring.key-rotated.v1'].map(
      (type) =>
        JSON.parse(readFileSync(new URL(`./fixtures/${type}.json`, import.meta.url), 'utf8')) as KeyringEvent,
    );
    expectForm(keyring, past, new URL('./snapshots/', import.meta.url));
  });
});
