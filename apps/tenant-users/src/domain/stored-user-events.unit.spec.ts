import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import type { Decider, DomainEvent } from '#kernel';
import { tenantUser } from './tenant-user.decide.js';
import { usernameClaim } from './username-claim.js';

const FIXTURES = new URL('./fixtures/users/', import.meta.url);

/** Each version of each event, with what is personal opened; these files never change. */
const stored = (type: string) => ({
  type,
  data: JSON.parse(readFileSync(new URL(`${type}.json`, FIXTURES), 'utf8')),
});

const scope = {
  platform_id: '01943a3e-0000-7000-8000-000000000001',
  tenant_id: '01943a3e-0000-7000-8000-000000000002',
};
const claimId = '01943a3e-0000-7000-8000-000000000006';
const later = {
  index: '00112233445566778899aabbccddeeff',
  claim_id: '01943a3e-0000-7000-8000-000000000007',
};
const personal = {
  external_id: 'alice_db_uuid',
  email: 'alice@example.com',
  username: 'alice',
  first_name: null,
  middle_name: null,
  last_name: null,
  phone_number: null,
  label: 'Alice',
  metadata: { plan: 'pro' },
};
const userState = {
  lifecycle: 'alive',
  ...scope,
  is_default: false,
  subject_key: '7',
  role: 'member',
  teams: ['engineering'],
  account_kit_id: '01943a3e-0000-7000-8000-000000000004',
  status: 'active',
  username_claim: { index: '5e0dc4f2b1a39e8d7c6b5a4938271605', claim_id: claimId },
  username_epoch: 0,
  personal,
};
const changedState = {
  ...userState,
  status: 'suspended',
  username_claim: later,
  username_epoch: 1,
  personal: { ...personal, username: 'alice-2' },
};

const LIVES: [string, Decider<unknown, never, DomainEvent>, [string, object][]][] = [
  [
    'a user',
    tenantUser as Decider<unknown, never, DomainEvent>,
    [
      ['tenant-user.created.v1', userState],
      ['tenant-user.updated.v1', changedState],
      ['tenant-user.deleted.v1', { lifecycle: 'deleted', ...scope, subject_key: '7', username_claim: later }],
    ],
  ],
  [
    'a user who never came',
    tenantUser as Decider<unknown, never, DomainEvent>,
    [['tenant-user.abandoned.v1', { lifecycle: 'abandoned', ...scope }]],
  ],
  [
    'a username',
    usernameClaim as Decider<unknown, never, DomainEvent>,
    [
      [
        'username.claimed.v1',
        {
          lifecycle: 'held',
          ...scope,
          user_id: '01943a3e-0000-7000-8000-000000000005',
          claim_id: claimId,
        },
      ],
      ['username.released.v1', { lifecycle: 'free' }],
    ],
  ],
];

describe('stored events of users and usernames', () => {
  it.each(LIVES)('given the life of %s, then each still loads', (_, decider, life) => {
    let state = decider.initialState;
    for (const [type, expected] of life) {
      state = decider.evolve(state, stored(type));
      expect(state).toEqual(expected);
    }
  });

  it('given a user as it was first stored, then there is no claim', () => {
    const { username_claim: _, ...first } = stored('tenant-user.created.v1').data;
    const event = { type: 'tenant-user.created.v1' as const, data: first };
    expect(tenantUser.evolve(tenantUser.initialState, event)).toEqual({ ...userState, username_claim: null });
  });

  it('given a stored version, then it is among those that are loaded', () => {
    const types = readdirSync(FIXTURES).map((file) => file.replace(/\.json$/, ''));
    expect(types.sort()).toEqual(LIVES.flatMap(([, , life]) => life.map(([type]) => type)).sort());
  });
});
