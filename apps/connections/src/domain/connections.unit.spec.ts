import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isTenantryError } from '#kernel';
import { given } from '#testing';
import { connections, MAX_CONNECTIONS } from './connections.decide.js';
import type {
  ConnectionCommand,
  ConnectionsClosed,
  ConnectionsCommand,
  ConnectionsEvent,
  RequestConnection,
} from './connections.js';
import { CLAIM_MS, PAUSE_MS } from './token-refresh.js';

const SCOPE = { platform_id: 'platform', tenant_id: 'tenant' };
const NOW = '2026-02-03T04:05:06.000Z';
const later = (ms: number) => new Date(Date.parse(NOW) + ms).toISOString();
const TOKENS = { sealed: 'v1.1.tokens', tokens_expire_at: later(60_000), scopes: ['read'] };

const request = (connection_id: string, changes: Partial<RequestConnection> = {}): RequestConnection => ({
  kind: 'request',
  at: NOW,
  ...SCOPE,
  connection_id,
  provider: 'github',
  provider_kind: 'oauth2',
  scopes: ['read'],
  expires_at: later(600_000),
  subject_key: '17',
  personal: { redirect_uri: null },
  ...changes,
});

type Unplaced<Command> = Command extends unknown ? Omit<Command, 'tenant_id' | 'connection_id'> : never;
const on = (connection_id: string, command: Unplaced<ConnectionCommand>) =>
  ({ ...command, tenant_id: 'tenant', connection_id }) as ConnectionCommand;
const activate = (id: string) => on(id, { kind: 'activate', ...TOKENS, mcp: null });
const close = { kind: 'close' as const, ...SCOPE };

/** The events that these commands lead to. */
function decided(...commands: ConnectionsCommand[]): ConnectionsEvent[] {
  const events: ConnectionsEvent[] = [];
  for (const command of commands) events.push(...connections.decide(command, fold(events)));
  return events;
}
const fold = (events: readonly ConnectionsEvent[]) =>
  events.reduce(connections.evolve, connections.initialState);
const types = (events: readonly ConnectionsEvent[]) => events.map(({ type }) => type.split('.')[1]);

const REQUESTED = decided(request('a'));
const ACTIVE = decided(request('a'), activate('a'));
const wasClosed: ConnectionsClosed = {
  type: 'connections.closed.v1',
  data: { ...SCOPE, subject_key: null, removed: { connections: 0 } },
};

describe('making a connection', () => {
  it('given connections, then the next is under the subject key of the first', () => {
    const [next] = connections.decide(request('b', { subject_key: '99' }), fold(REQUESTED));
    expect(next?.data).toMatchObject({ connection_id: 'b', subject_key: '17' });
  });

  it('given the same request again, then nothing changes', () => {
    given(connections, REQUESTED).when(request('a')).then([]);
    given(connections, ACTIVE).when(request('a')).then([]);
  });

  it('given the consent was received, then it is not received again', () => {
    const receive = (at: string) => on('a', { kind: 'receive-authorization', at });
    expect(types(connections.decide(receive(NOW), fold(REQUESTED)))).toEqual(['authorization-received']);
    given(connections, decided(request('a'), receive(NOW)))
      .when(receive(NOW))
      .thenRefused('illegal_state');
    given(connections, REQUESTED)
      .when(receive(later(599_999)))
      .then(decided(request('a'), receive(NOW)).slice(1));
    given(connections, REQUESTED)
      .when(receive(later(600_000)))
      .thenRefused('illegal_state');
  });

  it.each(['activate', 'fail'] as const)('given one that is active, then it cannot %s', (kind) => {
    const command = kind === 'fail' ? on('a', { kind, reason: 'x' }) : activate('a');
    given(connections, ACTIVE).when(command).thenRefused('illegal_state');
  });

  it('given as many as there can be, then a failed or expired one gives way, but none that works', () => {
    const ids = Array.from({ length: MAX_CONNECTIONS }, (_, index) => `c-${index}`);
    const all = decided(...ids.map((id) => request(id)), ...ids.map((id) => activate(id)));
    given(connections, all).when(request('new')).thenRefused('illegal_state');
    const failed = decided(
      ...ids.map((id) => request(id)),
      on('c-7', { kind: 'fail', reason: 'access_denied' }),
    );
    const events = connections.decide(request('new'), fold(failed));
    expect(types(events)).toEqual(['connection-removed', 'connection-requested']);
    expect(events[0]?.data).toMatchObject({ connection_id: 'c-7' });
    const waiting = decided(...ids.map((id) => request(id)));
    given(connections, waiting).when(request('new')).thenRefused('illegal_state');
    expect(types(connections.decide(request('new', { at: later(600_000) }), fold(waiting)))).toHaveLength(2);
  });
});

describe('refreshing tokens', () => {
  const begin = (claim: string, at = NOW, sealed = TOKENS.sealed) =>
    on('a', { kind: 'begin-refresh', claim, sealed, at });
  const begun = [...ACTIVE, ...connections.decide(begin('one'), fold(ACTIVE))];
  const store = (claim: string) => on('a', { kind: 'store-tokens', claim, ...TOKENS, sealed: 'v1.1.next' });

  it('given a claim, then another waits until it is too old', () => {
    expect(types(begun.slice(-1))).toEqual(['refresh-started']);
    given(connections, begun).when(begin('two')).then([]);
    expect(types(connections.decide(begin('two', later(CLAIM_MS)), fold(begun)))).toEqual([
      'refresh-started',
    ]);
    given(connections, begun).when(store('two')).thenRefused('illegal_state');
  });

  it('given tokens that are newer than those of the caller, then there is nothing to refresh', () => {
    const refreshed = [...begun, ...connections.decide(store('one'), fold(begun))];
    given(connections, refreshed).when(begin('two')).then([]);
    expect(fold(refreshed)).toMatchObject({
      connections: new Map([['a', expect.objectContaining({ sealed: 'v1.1.next', refresh: null })]]),
    });
  });

  it('given a provider that failed, then it is left alone for a while', () => {
    const fail = on('a', { kind: 'fail-refresh', claim: 'one', reason: 'provider_unreachable', at: NOW });
    const failed = [...begun, ...connections.decide(fail, fold(begun))];
    given(connections, failed)
      .when(begin('two', later(PAUSE_MS - 1)))
      .thenRefused('illegal_state');
    expect(types(connections.decide(begin('two', later(PAUSE_MS)), fold(failed)))).toEqual([
      'refresh-started',
    ]);
  });

  it('given consent that was taken back, then only new consent helps', () => {
    const need = on('a', { kind: 'need-reconnect', reason: 'invalid_grant', sealed: TOKENS.sealed });
    const needed = [...begun, ...connections.decide(need, fold(begun))];
    given(connections, needed)
      .when(begin('two', later(CLAIM_MS)))
      .thenRefused('illegal_state');
    given(connections, needed).when(need).then([]);
  });
});

describe('the end of connections', () => {
  const record = (id: string, outcome: 'revoked' | 'not_revoked') =>
    on(id, { kind: 'record-revocation', outcome, reason: null });

  it('given none, then they are closed, with nothing let go of', () => {
    given(connections, []).when(close).then([wasClosed]);
    given(connections, [wasClosed]).when(close).then([]);
  });

  it('given that they are closed, then another tenant sees no such user, and nobody connects', () => {
    const other = { ...close, tenant_id: 'other' };
    given(connections, [wasClosed]).when(other).thenRefused('not_found');
    given(connections, [wasClosed]).when(request('a')).thenRefused('not_found');
  });

  it('given tokens, then what became of each is counted once', () => {
    const past = decided(request('a'), activate('a'), request('b'), activate('b'), request('c'), close);
    const state = fold([...past, ...connections.decide(record('a', 'revoked'), fold(past))]);
    expect(state).toMatchObject({ removed: { connections: 3, tokens_revoked: 1, tokens_not_revoked: 0 } });
    expect(connections.decide(record('a', 'revoked'), state)).toEqual([]);
    expect(connections.decide(record('c', 'revoked'), state)).toEqual([]);
    const [event] = connections.decide(record('b', 'not_revoked'), state);
    expect(connections.evolve(state, event!)).toMatchObject({
      removed: { connections: 3, tokens_revoked: 1, tokens_not_revoked: 1 },
      left_over: new Map(),
    });
  });

  it('given one that was removed, then its tokens are left over until the outcome is on record', () => {
    const removed = decided(request('a'), activate('a'), on('a', { kind: 'remove' }));
    expect(fold(removed)).toMatchObject({
      connections: new Map(),
      left_over: new Map([['a', { provider: 'github', sealed: TOKENS.sealed }]]),
    });
    expect(fold([...removed, ...connections.decide(close, fold(removed))])).toMatchObject({
      removed: { connections: 0 },
      left_over: new Map([['a', expect.anything()]]),
    });
  });
});

describe('the state of the connections', () => {
  const FIXTURES = new URL('./fixtures/', import.meta.url);
  const stored = (type: string) =>
    JSON.parse(readFileSync(new URL(`${type}.json`, FIXTURES), 'utf8')) as ConnectionsEvent;
  const LIFE: [string, object][] = [
    ['connection-requested', { status: 'pending', redirect_uri: 'https://app.example.com/connected' }],
    ['authorization-received', { authorization_received: true }],
    ['connection-activated', { status: 'active', sealed: 'v1.17.c2VhbGVk', redirect_uri: null }],
    ['refresh-started', { refresh: expect.objectContaining({ started_at: '2026-02-03T05:05:06.000Z' }) }],
    ['refresh-failed', { status: 'active', reason: 'provider_unreachable', refresh: null }],
    ['tokens-refreshed', { sealed: 'v1.17.bmV4dA', reason: null, refresh_failed_at: null }],
    ['reconnect-needed', { status: 'needs_reconnect', reason: 'invalid_grant' }],
    ['connection-failed', { status: 'failed', reason: 'access_denied' }],
  ];

  it('given each stored version of each event, when it is loaded, then it is what they tell', () => {
    let state = connections.initialState;
    for (const [type, expected] of LIFE) {
      state = connections.evolve(state, stored(`connections.${type}.v1`));
      const [connection] = state.lifecycle === 'open' ? state.connections.values() : [];
      expect(connection).toMatchObject(expected);
    }
    const removed = connections.evolve(state, stored('connections.connection-removed.v1'));
    expect(removed).toMatchObject({
      connections: new Map(),
      left_over: new Map([[expect.any(String), expect.anything()]]),
    });
    const recorded = connections.evolve(removed, stored('connections.revocation-recorded.v1'));
    expect(recorded).toMatchObject({ left_over: new Map() });
    expect(connections.evolve(recorded, stored('connections.closed.v1'))).toEqual({
      lifecycle: 'closed',
      platform_id: '0198c0de-0000-7000-8000-000000000001',
      tenant_id: '0198c0de-0000-7000-8000-000000000002',
      subject_key: null,
      removed: { connections: 0 },
      left_over: new Map(),
    });
    const loaded = [...LIFE.map(([type]) => type), 'connection-removed', 'revocation-recorded', 'closed'];
    const files = readdirSync(FIXTURES).filter((file) => file.startsWith('connections.'));
    expect(files.sort()).toEqual(loaded.map((type) => `connections.${type}.v1.json`).sort());
  });

  const id = fc.constantFrom('a', 'b', 'c');
  const command: fc.Arbitrary<ConnectionsCommand> = fc.oneof(
    { weight: 6, arbitrary: id.map((it) => request(it)) },
    { weight: 6, arbitrary: id.map(activate) },
    { weight: 3, arbitrary: id.map((it) => on(it, { kind: 'fail', reason: 'x' })) },
    { weight: 3, arbitrary: id.map((it) => on(it, { kind: 'remove' })) },
    { weight: 3, arbitrary: id.map((it) => record(it)) },
    { weight: 1, arbitrary: fc.constant(close) },
  );
  const record = (it: string) => on(it, { kind: 'record-revocation', outcome: 'revoked', reason: null });

  it('given any commands, then each set of tokens is in use, left over or accounted for, and never lost', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 40 }), (commands) => {
        const events: ConnectionsEvent[] = [];
        // Ids are never used again by the service.
        const seen = new Set<string>();
        for (const one of commands) {
          if (one.kind === 'request' && seen.has(one.connection_id)) continue;
          if (one.kind === 'request') seen.add(one.connection_id);
          try {
            events.push(...connections.decide(one, fold(events)));
          } catch (error) {
            if (!isTenantryError(error)) throw error;
          }
        }
        const state = fold(events);
        if (state.lifecycle === 'absent') return expect(events).toEqual([]);
        const count = (type: string) => types(events).filter((it) => it === type).length;
        const inUse =
          state.lifecycle === 'open'
            ? [...state.connections.values()].filter(({ sealed }) => sealed !== null).length
            : 0;
        expect(inUse + state.left_over.size + count('revocation-recorded')).toBe(
          count('connection-activated'),
        );
        const closing = types(events).indexOf('closed');
        const late = closing === -1 ? [] : types(events).slice(closing + 1);
        return expect(late.filter((type) => type !== 'revocation-recorded')).toEqual([]);
      }),
    );
  });
});
