import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { given } from '#testing';
import { connections } from './connections.decide.js';
import type { ConnectionsClosed, ConnectionsEvent } from './connections.js';

const SCOPE = { platform_id: 'platform', tenant_id: 'tenant' };
const close = { kind: 'close' as const, ...SCOPE };
const wasClosed: ConnectionsClosed = {
  type: 'connections.closed.v1',
  data: { ...SCOPE, subject_key: null, removed: { connections: 0 } },
};

describe('closing the connections', () => {
  it('given none, then they are closed, with nothing let go of', () => {
    given(connections, []).when(close).then([wasClosed]);
  });

  it('given that they are closed, then nothing changes', () => {
    given(connections, [wasClosed]).when(close).then([]);
  });

  it('given that they are closed, when another tenant asks, then there is no such user', () => {
    given(connections, [wasClosed])
      .when({ ...close, tenant_id: 'other' })
      .thenRefused('not_found');
  });
});

describe('the state of the connections', () => {
  it('given each stored version of each event, when it is loaded, then it is what they tell', () => {
    const file = new URL('./fixtures/connections.closed.v1.json', import.meta.url);
    const event = JSON.parse(readFileSync(file, 'utf8')) as ConnectionsEvent;
    expect(connections.evolve(connections.initialState, event)).toEqual({
      lifecycle: 'closed',
      platform_id: '0198c0de-0000-7000-8000-000000000001',
      tenant_id: '0198c0de-0000-7000-8000-000000000002',
      subject_key: null,
      removed: { connections: 0 },
      left_over: new Map(),
    });
  });
});
