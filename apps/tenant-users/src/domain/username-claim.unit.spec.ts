import { describe, it } from '@jest/globals';
import { given } from '#testing';
import { type UsernameClaimed, type UsernameReleased, usernameClaim } from './username-claim.js';

const holder = (user_id: string, claim_id: string) => ({
  platform_id: 'platform-1',
  tenant_id: 'tenant-1',
  user_id,
  claim_id,
});
const claim = (user: string, id: string, replaces: string | null = null) =>
  ({ kind: 'claim', ...holder(user, id), replaces }) as const;
const release = (claim_id: string) => ({ kind: 'release', claim_id }) as const;
const claimed = (user: string, id: string): UsernameClaimed => ({
  type: 'username.claimed.v1',
  data: holder(user, id),
});
const released = (user: string, id: string): UsernameReleased => ({
  type: 'username.released.v1',
  data: holder(user, id),
});

describe('a username', () => {
  it('given nobody, is claimed, and again once it is released', () => {
    given(usernameClaim, [])
      .when(claim('alice', '1'))
      .then([claimed('alice', '1')]);
    given(usernameClaim, [claimed('alice', '1'), released('alice', '1')])
      .when(claim('bob', '2'))
      .then([claimed('bob', '2')]);
  });

  it('given a holder, is not claimed by another', () => {
    given(usernameClaim, [claimed('alice', '1')])
      .when(claim('bob', '2'))
      .then([]);
  });

  it('given a claim that came to nothing, is claimed in its place, and in no other', () => {
    const past = [claimed('alice', '1')];
    given(usernameClaim, past)
      .when(claim('bob', '2', '1'))
      .then([claimed('bob', '2')]);
    given(usernameClaim, [...past, claimed('alice', '3')])
      .when(claim('bob', '2', '1'))
      .then([]);
  });

  it('given the same user, is claimed anew', () => {
    given(usernameClaim, [claimed('alice', '1')])
      .when(claim('alice', '2'))
      .then([claimed('alice', '2')]);
  });

  it('given a claim, is released by it alone, and once', () => {
    const past = [claimed('alice', '1'), claimed('alice', '2')];
    given(usernameClaim, past).when(release('1')).then([]);
    given(usernameClaim, past)
      .when(release('2'))
      .then([released('alice', '2')]);
    given(usernameClaim, [...past, released('alice', '2')])
      .when(release('2'))
      .then([]);
    given(usernameClaim, []).when(release('1')).then([]);
  });
});
