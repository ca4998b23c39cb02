import { readFileSync } from 'node:fs';
import { describe, it } from '@jest/globals';
import fc from 'fast-check';
import { checkSnapshots, expectForm } from '#testing';
import { connections } from './connections.decide.js';
import type { ConnectionsCommand } from './connections.js';
import { provider } from './provider.decide.js';
import { vault } from './vault.decide.js';
import type { VaultCommand } from './vault.js';

const FORMS = new URL('./snapshots/', import.meta.url);
const scope = { platform_id: 'platform', tenant_id: 'tenant' };
const stored = <Event>(...types: string[]): Event[] =>
  types.map(
    (type) =>
      JSON.parse(readFileSync(new URL(`./fixtures/${type}.v1.json`, import.meta.url), 'utf8')) as Event,
  );
const at = fc
  .integer({ min: 0, max: 100 })
  .map((seconds) => new Date(Date.UTC(2026, 0, 1) + seconds * 10_000).toISOString());
const id = fc.constantFrom('a', 'b', 'c', 'd');
const sealed = fc.constantFrom('v1.17.a', 'v1.17.b');

describe('snapshots of connections', () => {
  const tokens = { tokens_expire_at: null, scopes: ['read'] };
  const on = (kind: string, more: Record<string, fc.Arbitrary<unknown>> = {}) =>
    fc.record({ connection_id: id, ...more }).map((command) => ({ kind, ...scope, ...command }));
  const made = { provider: 'github', provider_kind: 'oauth2', scopes: ['read'], subject_key: '17' };
  const personal = fc.record({ redirect_uri: fc.webUrl() });
  const command = fc.oneof(
    {
      weight: 8,
      arbitrary: on('request', { at, expires_at: at, personal }).map((one) => ({ ...one, ...made })),
    },
    { weight: 8, arbitrary: on('activate', { sealed }).map((one) => ({ ...one, ...tokens, mcp: null })) },
    { weight: 2, arbitrary: on('receive-authorization', { at }) },
    { weight: 2, arbitrary: on('fail', { reason: fc.string() }) },
    { weight: 4, arbitrary: on('begin-refresh', { claim: id, sealed, at }) },
    { weight: 4, arbitrary: on('store-tokens', { claim: id, sealed }).map((one) => ({ ...one, ...tokens })) },
    { weight: 2, arbitrary: on('fail-refresh', { claim: id, reason: fc.string(), at }) },
    { weight: 2, arbitrary: on('need-reconnect', { reason: fc.string(), sealed }) },
    { weight: 3, arbitrary: on('remove') },
    {
      weight: 3,
      arbitrary: on('record-revocation', { outcome: fc.constant('revoked'), reason: fc.constant(null) }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'close', ...scope }) },
  ) as unknown as fc.Arbitrary<ConnectionsCommand>;

  it('given any commands, then a state from its snapshot is like one from its events', () => {
    checkSnapshots(connections, command);
  });

  it('given a stored life, then the form is the one of its version', () => {
    expectForm(
      connections,
      stored('connections.connection-requested', 'connections.connection-activated'),
      FORMS,
    );
  });
});

describe('snapshots of vaults', () => {
  const command = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ secret_id: id, name: id }).map(({ secret_id, name }) => ({
        kind: 'put',
        ...scope,
        secret_id,
        subject_key: '17',
        personal: { name, value: 's3cr3t' },
      })),
    },
    ...['read', 'delete'].map((kind) => ({
      weight: 4,
      arbitrary: id.map((name) => ({ kind, ...scope, name })),
    })),
    { weight: 1, arbitrary: fc.constant({ kind: 'close', ...scope }) },
  ) as unknown as fc.Arbitrary<VaultCommand>;

  it('given any commands, then a state from its snapshot is like one from its events', () => {
    checkSnapshots(vault, command);
  });

  it('given a stored life, then the form is the one of its version, and holds no secret', () => {
    expectForm(vault, stored('vault.secret-put'), FORMS);
  });
});

describe('snapshots of providers', () => {
  it('given a stored life, then the form is the one of its version', () => {
    expectForm(provider, stored('provider.configured'), FORMS);
  });
});
