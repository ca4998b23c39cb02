import { describe, it } from '@jest/globals';
import { given } from '#testing';
import { type PlatformKeyEvent, platformKey } from './platform-key.js';

const at = '2026-01-31T12:00:00.000Z';
const data = {
  platform_id: 'platform-1',
  name: 'Server',
  scopes: ['users:read'],
  tenant_id: null,
  expires_at: null,
  key_hash: 'ab',
  key_prefix: 'tnt_plat_4fQk',
};
const issue = (changes: Partial<typeof data> | { expires_at: string } = {}) =>
  ({ kind: 'issue', at, ...data, ...changes }) as const;
const issued: PlatformKeyEvent = { type: 'platform-key.issued.v1', data };
const ofTenant: PlatformKeyEvent = { ...issued, data: { ...data, tenant_id: 'tenant-1' } };
const revoked: PlatformKeyEvent = { type: 'platform-key.revoked.v1', data: { platform_id: 'platform-1' } };
const revoke = (platform_id = 'platform-1', only_tenant_id: string | null = null) =>
  ({ kind: 'revoke', platform_id, only_tenant_id }) as const;

describe('a platform key', () => {
  it('given nothing, is issued', () => {
    given(platformKey, []).when(issue()).then([issued]);
  });

  it('given the key, changes nothing when it is issued again, revoked or not', () => {
    given(platformKey, [issued]).when(issue()).then([]);
    given(platformKey, [issued, revoked]).when(issue()).then([]);
  });

  it('given an expiry that is not to come, is refused', () => {
    given(platformKey, [])
      .when(issue({ expires_at: at }))
      .thenRefused('invalid_input');
  });

  it('given an expiry to come, is issued', () => {
    const expires_at = '2026-01-31T12:00:00.001Z';
    given(platformKey, [])
      .when(issue({ expires_at }))
      .then([{ type: 'platform-key.issued.v1', data: { ...data, expires_at } }]);
  });

  it('given the key, is revoked once', () => {
    given(platformKey, [issued]).when(revoke()).then([revoked]);
    given(platformKey, [issued, revoked]).when(revoke()).then([]);
  });

  it('given no key, or one of another platform, answers not_found', () => {
    given(platformKey, []).when(revoke()).thenRefused('not_found');
    given(platformKey, [issued]).when(revoke('platform-2')).thenRefused('not_found');
    given(platformKey, [issued, revoked]).when(revoke('platform-2')).thenRefused('not_found');
  });

  it('given a caller of one tenant, is revoked only when it is of that tenant', () => {
    given(platformKey, [ofTenant]).when(revoke('platform-1', 'tenant-1')).then([revoked]);
    given(platformKey, [ofTenant]).when(revoke('platform-1', 'tenant-2')).thenRefused('not_found');
    given(platformKey, [issued]).when(revoke('platform-1', 'tenant-1')).thenRefused('not_found');
  });
});
