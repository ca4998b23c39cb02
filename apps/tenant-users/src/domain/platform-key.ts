import type { Decider, DomainEvent } from '#kernel';

export type PlatformKeyEvent = DomainEvent<
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

export type PlatformKeyState = { lifecycle: 'absent' } | { lifecycle: 'active' };

export type PlatformKeyCommand = { kind: 'issue' } & PlatformKeyEvent['data'];

/** Issuing it again under the same id changes nothing. */
export const platformKey: Decider<PlatformKeyState, PlatformKeyCommand, PlatformKeyEvent> = {
  category: 'platformKey',
  initialState: { lifecycle: 'absent' },
  decide: ({ kind: _, ...data }, state) =>
    state.lifecycle === 'absent' ? [{ type: 'platform-key.issued.v1', data }] : [],
  evolve: () => ({ lifecycle: 'active' }),
};
