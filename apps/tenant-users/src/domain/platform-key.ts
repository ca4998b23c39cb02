import { type Decider, type DomainEvent, invalidInput, notFound } from '#kernel';

export type PlatformKeyIssued = DomainEvent<
  'platform-key.issued.v1',
  {
    platform_id: string;
    name: string;
    scopes: string[];
    /** The only tenant it may act in; null for all of the platform's. */
    tenant_id: string | null;
    expires_at: string | null;
    /** SHA-256 in hex; the key itself is shown once and kept nowhere. */
    key_hash: string;
    key_prefix: string;
  }
>;

export type PlatformKeyRevoked = DomainEvent<'platform-key.revoked.v1', { platform_id: string }>;

export type PlatformKeyEvent = PlatformKeyIssued | PlatformKeyRevoked;

export type PlatformKeyState =
  | { lifecycle: 'absent' }
  | ({ lifecycle: 'active' | 'revoked' } & PlatformKeyIssued['data']);

export type PlatformKeyCommand =
  | ({ kind: 'issue'; at: string } & PlatformKeyIssued['data'])
  | {
      kind: 'revoke';
      platform_id: string;
      /** Keys of this tenant alone are known to the caller; null for all of the platform's. */
      only_tenant_id: string | null;
    };

/** Issuing it again under the same id changes nothing, nor does revoking it again. */
export const platformKey: Decider<PlatformKeyState, PlatformKeyCommand, PlatformKeyEvent> = {
  category: 'platformKey',
  initialState: { lifecycle: 'absent' },

  decide(command, state) {
    if (command.kind === 'issue') {
      const { kind: _, at, ...data } = command;
      if (state.lifecycle !== 'absent') return [];
      if (data.expires_at !== null && data.expires_at <= at) {
        throw invalidInput('expires_at', 'must be in the future');
      }
      return [{ type: 'platform-key.issued.v1', data }];
    }
    const { platform_id, only_tenant_id } = command;
    if (state.lifecycle === 'absent' || state.platform_id !== platform_id) throw notFound('platform key');
    if (only_tenant_id !== null && state.tenant_id !== only_tenant_id) throw notFound('platform key');
    return state.lifecycle === 'revoked' ? [] : [{ type: 'platform-key.revoked.v1', data: { platform_id } }];
  },

  evolve(state, event) {
    if (event.type === 'platform-key.issued.v1') return { lifecycle: 'active', ...event.data };
    if (state.lifecycle === 'absent') throw new Error(`${event.type} without a key`);
    return { ...state, lifecycle: 'revoked' };
  },
};
