import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { tenantUser } from './tenant-user.decide.js';
import type { TenantUserEvent } from './tenant-user.js';

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
  role: 'member',
  teams: ['engineering'],
};
const userState = {
  lifecycle: 'alive',
  ...scope,
  is_default: false,
  subject_key: '7',
  account_kit_id: '01943a3e-0000-7000-8000-000000000004',
  status: 'active',
  personal,
  sealed_personal: null,
};
const changedState = {
  ...userState,
  status: 'suspended',
  personal: { ...personal, username: 'alice-2' },
};
const deletedState = { lifecycle: 'deleted', ...scope, subject_key: '7' };

const LIVES: [string, [string, object][]][] = [
  [
    'a user of the first version',
    [
      ['tenant-user.created.v1', userState],
      ['tenant-user.updated.v1', changedState],
      ['tenant-user.deleted.v1', deletedState],
    ],
  ],
  [
    'a user',
    [
      ['tenant-user.created.v2', userState],
      ['tenant-user.updated.v2', changedState],
      ['tenant-user.deleted.v1', deletedState],
    ],
  ],
  [
    'a user who was changed since the first version',
    [
      ['tenant-user.created.v1', userState],
      ['tenant-user.updated.v2', changedState],
    ],
  ],
  ['a user who never came', [['tenant-user.abandoned.v1', { lifecycle: 'abandoned', ...scope }]]],
];

/** Of claims that were kept in the log once: streams of a category that nobody follows any more. */
const PASSED_OVER = ['username.claimed.v1', 'username.released.v1'];

describe('stored events of users', () => {
  it.each(LIVES)('given the life of %s, then each still loads', (_, life) => {
    let state = tenantUser.initialState;
    for (const [type, expected] of life) {
      state = tenantUser.evolve(state, stored(type) as TenantUserEvent);
      expect(state).toEqual(expected);
    }
  });

  it('given a stored version, then it is among those that are loaded or passed over', () => {
    const types = readdirSync(FIXTURES).map((file) => file.replace(/\.json$/, ''));
    const loaded = LIVES.flatMap(([, life]) => life.map(([type]) => type));
    expect(types.sort()).toEqual([...new Set([...loaded, ...PASSED_OVER])].sort());
  });
});
